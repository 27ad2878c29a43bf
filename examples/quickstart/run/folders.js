import { fileURLToPath } from 'node:url'

const inExample = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** The clone's root, where `forgeq.config.json` and `.forgeq/` are. */
export const ROOT = inExample('../..')
export const INPUT = inExample('input')
export const OUT = inExample('out')
export const FORGEQ_LOG = inExample('out/forgeq.log')
export const MAIL_SERVER_NOTE = inExample('out/mail-server.json')
