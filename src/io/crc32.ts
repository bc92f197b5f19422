/** CRC-32 as PNG and ZIP files have it. */
export const crc32 = checksum(0xedb88320);

/** CRC-32C (Castagnoli), as TFRecord files have it. */
export const crc32c = checksum(0x82f63b78);

/** The reflected 32-bit CRC that begins with ones and is inverted in the end; the polynomial's bits are in reverse. */
function checksum(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? polynomial ^ (n >>> 1) : n >>> 1;
    return n;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}
