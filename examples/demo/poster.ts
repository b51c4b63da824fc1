/** A poster as a PNG image: a sunset made of numbers (PNG specification, third edition). */
import { crc32, deflateSync } from 'node:zlib'

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** Draws a poster of `width` × `height` pixels. */
export function posterPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.writeUInt8(8, 8) // bits a sample
  header.writeUInt8(2, 9) // RGB
  const lines = Array.from({ length: height }, (_, y) => line(y / height, width, height))
  const chunks = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(lines))),
    chunk('IEND', Buffer.alloc(0)),
  ]
  return Buffer.concat([signature, ...chunks])
}

/** One line of pixels, after a byte that says: no filter. */
function line(down: number, width: number, height: number): Buffer {
  const pixels = [0]
  for (let x = 0; x < width; x++) {
    const away = Math.hypot(x / width - 0.5, (down - 0.55) * (height / width))
    const sun = away < 0.22
    pixels.push(sun ? 255 : 40 + 180 * down, sun ? 220 - 160 * down : 20 + 60 * down, sun ? 80 : 90 - 50 * down)
  }
  return Buffer.from(pixels)
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(typed.length + 8)
  framed.writeUInt32BE(data.length, 0)
  typed.copy(framed, 4)
  framed.writeUInt32BE(crc32(typed), typed.length + 4)
  return framed
}
