/** Small images from large ones, within bounds of memory and time (sharp, which runs off the event loop). */

import sharp, { type Metadata } from 'sharp'
import { BlastyError } from '../../base/errors.ts'

export const imageFits = ['inside', 'cover'] as const
export const imageFormats = ['webp', 'jpeg', 'png'] as const

/** What is wanted. At least one side is given, in pixels; an image is never enlarged. */
export type ImageSize = {
  readonly width?: number
  readonly height?: number
  /** `inside`: no side is larger · `cover`: fills both sides, and what stands over is cut off evenly. */
  readonly fit: (typeof imageFits)[number]
  readonly format: (typeof imageFormats)[number]
}

export const maxImageSide = 2048
/** Largest source, in bytes as stored. */
export const maxSourceBytes = 32 * 1024 * 1024
const maxSourcePixels = 50_000_000
/** What the source may take decoded, in bytes; some formats must be decoded whole. */
const maxDecodedBytes = 200_000_000
const maxSeconds = 20
const bytesOfDepth: Readonly<Record<string, number>> = { uchar: 1, char: 1, ushort: 2, short: 2 }

// The library's own settings: nothing is remembered between images, one thread each, and of its many
// readers only those of the formats named in `readable` exist. SVG above all has no place here.
sharp.cache(false)
sharp.concurrency(1)
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadNsgifBuffer',
  ],
})
const readable: readonly string[] = ['jpeg', 'png', 'webp', 'gif']

/**
 * The image, turned upright, in the size and format wanted; of an animation its first picture. Metadata is left out.
 * @throws IMAGE_REFUSED for what is no image, broken, or decodes to more than the bounds above
 */
export async function scaleImage(source: Uint8Array, size: ImageSize): Promise<Buffer> {
  const { width, height, fit, format } = size
  try {
    const image = sharp(source, { limitInputPixels: maxSourcePixels, failOn: 'error', pages: 1 })
    checkSource(await image.metadata())
    const scaled = image
      .timeout({ seconds: maxSeconds })
      .autoOrient()
      .resize({ ...(width && { width }), ...(height && { height }), fit, withoutEnlargement: true })
    if (format === 'jpeg') scaled.flatten({ background: 'white' })
    return await scaled.toFormat(format).toBuffer()
  } catch (error) {
    if (error instanceof BlastyError) throw error
    const [problem = 'unknown'] = error instanceof Error ? error.message.split('\n') : [String(error)]
    throw new BlastyError('IMAGE_REFUSED', { problem }, { cause: error })
  }
}

function checkSource({ format, width, height, channels, depth }: Metadata): void {
  if (!readable.includes(format)) throw refused(`its format is ${format}`)
  const decoded = width * height * channels * (bytesOfDepth[depth] ?? 8)
  if (width * height > maxSourcePixels || decoded > maxDecodedBytes) {
    throw refused(`it has ${width} × ${height} pixels of ${channels} channels, which is too much`)
  }
}

const refused = (problem: string) => new BlastyError('IMAGE_REFUSED', { problem })
