// Makes the example's input anew: `node examples/quickstart/input/make/main.js`. What it made is committed.
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { makeMails } from './mail.js'
import { makePictures } from './pictures.js'
import { makeTexts } from './texts.js'

const inInput = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))

const ndjson = (jobs) => jobs.map((job) => `${JSON.stringify(job)}\n`).join('')

await writeFile(inInput('mail.ndjson'), ndjson(makeMails()))
await writeFile(inInput('pictures.ndjson'), ndjson(await makePictures(inInput('pictures'))))
await writeFile(inInput('texts.ndjson'), ndjson(await makeTexts(inInput('texts'))))
