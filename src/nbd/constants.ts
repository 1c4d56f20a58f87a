/**
 * The numbers of the NBD protocol with the names of its specification
 * (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md); the comments give those names.
 */

export const NBD_MAGIC = {
  /** NBDMAGIC: the first eight bytes that a server sends. */
  init: 0x4e42_444d_4147_4943n,
  /** IHAVEOPT: second half of the greeting, and the start of every option. */
  option: 0x4948_4156_454f_5054n,
  /** Start of every option reply. */
  optionReply: 0x0003_e889_0455_65a9n,
  /** NBD_REQUEST_MAGIC */
  request: 0x2560_9513,
  /** NBD_SIMPLE_REPLY_MAGIC */
  simpleReply: 0x6744_6698,
  /** NBD_STRUCTURED_REPLY_MAGIC */
  structuredReply: 0x668e_33ef,
} as const;

/** NBD_FLAG_FIXED_NEWSTYLE, NBD_FLAG_NO_ZEROES; the client's flags have the same bits. */
export const NBD_HANDSHAKE_FLAG = { fixedNewstyle: 1, noZeroes: 2 } as const;

/** NBD_FLAG_* of the transmission phase. */
export const NBD_TRANSMISSION_FLAG = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  rotational: 1 << 4,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendResize: 1 << 9,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

/** NBD_OPT_* */
export const NBD_OPTION = {
  exportName: 1,
  abort: 2,
  list: 3,
  peekExport: 4,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
  extendedHeaders: 11,
} as const;

/** NBD_REP_*; errors have bit 31 set. */
export const NBD_OPTION_REPLY = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errUnsup: 0x8000_0001,
  errPolicy: 0x8000_0002,
  errInvalid: 0x8000_0003,
  errPlatform: 0x8000_0004,
  errTlsReqd: 0x8000_0005,
  errUnknown: 0x8000_0006,
  errShutdown: 0x8000_0007,
  errBlockSizeReqd: 0x8000_0008,
  errTooBig: 0x8000_0009,
} as const;
export type NbdOptionReplyType = (typeof NBD_OPTION_REPLY)[keyof typeof NBD_OPTION_REPLY];

/** NBD_INFO_* */
export const NBD_INFO = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

/** NBD_CMD_* */
export const NBD_COMMAND = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;
export type NbdCommandName = keyof typeof NBD_COMMAND;

/** Names of the commands, index = number on the wire. */
export const NBD_COMMAND_NAMES: readonly NbdCommandName[] = [
  'read',
  'write',
  'disconnect',
  'flush',
  'trim',
  'cache',
  'writeZeroes',
  'blockStatus',
];

/** NBD_CMD_FLAG_* */
export const NBD_COMMAND_FLAG = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16 } as const;

/** NBD_REPLY_TYPE_*; errors have bit 15 set. */
export const NBD_CHUNK = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;

/** NBD_REPLY_FLAG_DONE: the last chunk of a reply. */
export const NBD_CHUNK_FLAG_DONE = 1;

/** The one metadata context that the specification defines, and the ID that this server gives it. */
export const NBD_ALLOCATION_CONTEXT = { name: 'base:allocation', id: 1 } as const;

/** Bytes of the fixed parts. */
export const NBD_BYTES = {
  greeting: 18,
  clientFlags: 4,
  optionHeader: 16,
  optionReplyHeader: 20,
  /** Zeroes after the reply to NBD_OPT_EXPORT_NAME unless NBD_FLAG_C_NO_ZEROES was agreed. */
  exportNamePadding: 124,
  requestHeader: 28,
  simpleReply: 16,
  structuredReplyHeader: 20,
  /** Offset in front of the data of NBD_REPLY_TYPE_OFFSET_DATA. */
  chunkOffset: 8,
} as const;

/** Block sizes that are advertised (DESIGN section 1): smaller or unaligned requests get EINVAL. */
export const NBD_BLOCK_SIZE = { minimum: 512, preferred: 4096 } as const;
