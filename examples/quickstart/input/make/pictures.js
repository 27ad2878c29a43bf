// The pictures of input/pictures: drawn here, so that they are free to use, in the formats and shapes that people send.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'

const PICTURES = [
  { name: 'harbour.jpg', width: 1600, height: 1067, hue: 205 },
  { name: 'hills.jpg', width: 1800, height: 900, hue: 120 },
  { name: 'poster.png', width: 900, height: 1350, hue: 345 },
  { name: 'dunes.webp', width: 1500, height: 1000, hue: 40 },
  { name: 'panorama.jpg', width: 2400, height: 480, hue: 190 },
  { name: 'square.png', width: 800, height: 800, hue: 265 },
  { name: 'tower.webp', width: 500, height: 1500, hue: 15 },
  { name: 'lake.avif', width: 1200, height: 800, hue: 175 },
  { name: 'night.jpg', width: 1600, height: 900, hue: 240 },
  { name: 'badge.gif', width: 400, height: 400, hue: 90 },
  // A phone held upright: the pixels lie on their side and EXIF says so.
  { name: 'held-upright.jpg', width: 1200, height: 800, hue: 300, orientation: 6 },
  { name: 'first day.jpg', width: 1000, height: 750, hue: 25 },
]

/** Draws the pictures into `folder`, and one that was cut off half-way; returns the jobs for all of them. */
export async function makePictures(folder) {
  await mkdir(folder, { recursive: true })
  for (const picture of PICTURES) await draw(picture).toFile(join(folder, picture.name))
  const whole = await draw(PICTURES[2]).png().toBuffer()
  await writeFile(join(folder, 'cut-off.png'), whole.subarray(0, 600))
  return [...PICTURES.map(({ name }) => thumbnailJob(name, ['good'])), thumbnailJob('cut-off.png', ['hopeless'])]
}

const thumbnailJob = (picture, tags) => ({
  type: 'resize_image',
  queue: 'pictures',
  payload: { picture, width: 320 },
  max_attempts: 3,
  timeout: '1m',
  tags,
})

function draw({ width, height, hue, orientation }) {
  const sun = Math.min(width, height) / 6
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="hsl(${hue},60%,35%)"/><stop offset="1" stop-color="hsl(${hue + 40},75%,80%)"/>
    </linearGradient></defs>
    <rect width="100%" height="100%" fill="url(#sky)"/>
    <circle cx="${width * 0.7}" cy="${height * 0.3}" r="${sun}" fill="hsl(45,95%,75%)"/>
    <path d="M0 ${height * 0.7} L${width * 0.3} ${height * 0.45} L${width * 0.55} ${height * 0.7} L${width * 0.8} ${height * 0.5} L${width} ${height * 0.75} V${height} H0Z" fill="hsl(${hue + 20},45%,25%)"/>
    <path d="M0 ${height * 0.85} Q${width * 0.5} ${height * 0.7} ${width} ${height * 0.9} V${height} H0Z" fill="hsl(${hue},50%,15%)"/>
  </svg>`
  const picture = sharp(Buffer.from(svg)).flatten()
  return orientation ? picture.withMetadata({ orientation }) : picture
}
