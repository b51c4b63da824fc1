/**
 * Addresses at which one content may be put and no other: its SHA-256, size and type are signed (AWS Signature Version 4,
 * query form), and the store checks the bytes against them. The client of `minio` signs no headers into an address.
 */

import { AwsV4Signer } from 'aws4fetch'

/** What will be put: bytes, media type, SHA-256 in hexadecimal. */
export type PutAnnounced = { readonly size: number; readonly type: string; readonly sha256: string }

/** An address, and the headers that the PUT must carry beside its length. */
export type PresignedPut = { readonly url: string; readonly headers: Readonly<Record<string, string>> }

export type Signing = { readonly region: string; readonly accessKey: string; readonly secretKey: string }

/** Signs `address`, the object's own, for `seconds`. */
export async function presignPut(
  address: URL,
  { region, accessKey, secretKey }: Signing,
  seconds: number,
  { size, type, sha256 }: PutAnnounced,
): Promise<PresignedPut> {
  const headers = {
    'content-type': type,
    'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64'),
  }
  const url = new URL(address)
  url.searchParams.set('X-Amz-Expires', String(seconds))
  const signer = new AwsV4Signer({
    method: 'PUT',
    url: url.href,
    headers: { ...headers, 'content-length': String(size) },
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    service: 's3',
    region,
    signQuery: true,
    // Without it neither length nor type would be signed.
    allHeaders: true,
  })
  const signed = await signer.sign()
  return { url: signed.url.href, headers }
}
