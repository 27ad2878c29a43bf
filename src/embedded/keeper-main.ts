import { keep } from './keeper.ts'
import { placeOf } from './place.ts'

const [root, lingerMs] = process.argv.slice(2)
await keep(placeOf(root!), Number(lingerMs))
