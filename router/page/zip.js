// A ZIP file (PKWARE's APPNOTE.TXT 6.3) whose files are stored, not compressed: pictures are
// compressed already.
const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_END = 0x06054b50;
const VERSION = 20;
const UTF8_NAME = 1 << 11;
const MAX_FILES = 0xffff;
const MAX_BYTES = 0xffffffff;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

// CRC-32 as ZIP, gzip and PNG have it.
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// A Blob of `files`, [{name, bytes: Uint8Array}], all changed at `date`. Throws a RangeError for
// what only ZIP64 could hold.
export function makeZip(files, date = new Date()) {
  const entries = files.map(({ name, bytes }) => entryOf(name, bytes, date));
  const parts = [];
  let offset = 0;
  for (const entry of entries) {
    entry.offset = offset;
    parts.push(record(LOCAL_HEADER, [[2, VERSION], ...entry.fields]), entry.name, entry.bytes);
    offset += 30 + entry.name.length + entry.bytes.length;
  }
  const directory = entries.flatMap((entry) => [
    record(DIRECTORY_ENTRY, [[2, VERSION], [2, VERSION], ...entry.fields,
                             [2, 0], [2, 0], [2, 0], [4, 0], [4, entry.offset]]),
    entry.name,
  ]);
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  if (files.length > MAX_FILES || offset + size > MAX_BYTES)
    throw new RangeError("The files are too large for one ZIP file.");
  const end = record(DIRECTORY_END, [[2, 0], [2, 0], [2, files.length], [2, files.length],
                                     [4, size], [4, offset], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

// `fields`: what the local header and the directory have in common, from the flags on.
function entryOf(name, bytes, date) {
  const encoded = new TextEncoder().encode(name);
  const { time, day } = dosTime(date);
  const fields = [[2, UTF8_NAME], [2, 0], [2, time], [2, day], [4, crc32(bytes)],
                  [4, bytes.length], [4, bytes.length], [2, encoded.length], [2, 0]];
  return { name: encoded, bytes, fields };
}

// Little-endian [width in bytes, value] behind a signature.
function record(signature, fields) {
  const all = [[4, signature], ...fields];
  const view = new DataView(new ArrayBuffer(all.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of all) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return new Uint8Array(view.buffer);
}

// MS-DOS has no years before 1980, and seconds by twos.
function dosTime(date) {
  const year = Math.max(0, date.getFullYear() - 1980);
  return {
    time: (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1),
    day: (year << 9) | ((date.getMonth() + 1) << 5) | date.getDate(),
  };
}
