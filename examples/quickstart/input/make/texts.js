// The jobs of texts.ndjson: the files of input/texts, and texts that travel in the payload.
import { readdir } from 'node:fs/promises'

const TEXTS = [
  'Six words are in this text.',
  'Tabs\tand\nnewlines\r\nseparate   words\n',
  'Größe, naïve, 日本語 and 👩🏽‍🚀 are words; "quotes" and \\backslashes\\ stay with theirs.',
  '',
  '   \n\n\t\n',
  `${'again and '.repeat(1_000)}done\n`,
]

/** A job for each file in `folder`, one for each text above, and one for a file that does not exist. */
export async function makeTexts(folder) {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.txt')).sort()
  return [
    ...files.map((file) => wordCountJob({ file }, ['good'])),
    ...TEXTS.map((text) => wordCountJob({ text }, ['good'])),
    wordCountJob({ file: 'lost.txt' }, ['hopeless']),
  ]
}

const wordCountJob = (payload, tags) => ({
  type: 'word_count',
  queue: 'texts',
  payload,
  max_attempts: 3,
  timeout: '30s',
  tags,
})
