/**
 * Every maximum of Farshore in one file (I11): when one is reached there is backpressure or a stated policy, never growth.
 * Units are in the names.
 */
export const LIMITS = {
  /** Payload of one write record; a longer NBD write becomes several records of one data set. */
  recordDataBytesMax: 1024 * 1024,
  /** Records of one data set, sync included: bounds bitmaps and offset tables. */
  dataSetRecordsMax: 65_536,
  /** Journal slots of a ring. */
  slotsMin: 2,
  slotsMax: 256,
  /** Bytes of one slot. */
  slotBytesMin: 64 * 1024,
  slotBytesMax: 1024 * 1024 * 1024,
  /** Smallest maximum of a data set's bytes: it fits into the smallest slot, beside its header, mark, sync and alignment. */
  dataSetBytesMin: 32 * 1024,
  volumesMax: 256,
  volumeNameBytesMax: 255,
  /**
   * Bytes of one message on a link, a longer one is a protocol error: two bitmaps for each of slotsMax data sets with
   * dataSetRecordsMax records are 4 MiB, 5.4 MiB in base64; a batch of records stays far below it.
   */
  messageBytesMax: 8 * 1024 * 1024,
  /** Bytes of records that the primary puts into one message. */
  batchBytesMax: 256 * 1024,
  /** Bytes that may wait in one link's socket before the primary sends no more on it. */
  linkBufferedBytesMax: 2 * 1024 * 1024,
  linksMax: 16,
  /** Connections to one replication address, those among them that are no links yet. */
  linkConnectionsMax: 64,
  /** Closed links in one request for progress; more go into a further request. */
  closedLinksMax: 1024,
  /** Data sets that a primary may list as unacknowledged when it meets its secondary. */
  unacknowledgedDataSetsMax: 65_536,
  /** Bytes of a sentence, and of a decision's label, that one host sends for the other's log. */
  sentenceBytesMax: 2048,
  labelBytesMax: 128,
  /** Unacknowledged bytes of a primary, all of which are in memory, and are read back in one piece after a clean stop. */
  backlogBytesMax: 1536 * 1024 * 1024,
  /** Ranges in one ack; more go into a further message. */
  ackRangesMax: 4096,
  /** A link that was silent for so long is closed. */
  linkSilenceMs: 10_000,
  keepAliveMs: 1_000,
  handshakeMs: 10_000,
  /** Wait before a lost link is dialled again: doubles from min to max. */
  redialMinMs: 50,
  redialMaxMs: 2_000,
  /** Rejections of one record for its checksum before the primary checks its own buffer (I9). */
  checksumRejectsMax: 3,
  /** Sync commands that contradict what is durable of one data set before the secondary stops: they tell of another history. */
  syncContradictionsMax: 3,
  /** Journal commits in flight over all journals; never two on one journal. */
  commitsInFlightMax: 2,
  /** Least time between the begins of two journal commits of little; a flag and much are committed at once. */
  commitGapMs: 2,
  /** What comes so shortly after a link's last message of records is gathered with what follows. */
  linkGatherMs: 1,
  nbdConnectionsMax: 64,
  /** Requests of one NBD connection that may be under way before it is no longer read. */
  nbdRequestsInFlightMax: 256,
  /** Payload bytes of one NBD connection that may be under way before it is no longer read. */
  nbdBytesInFlightMax: 64 * 1024 * 1024,
  /** Slabs of one NBD connection that unanswered payloads may hold, and of one server that wait for their next use; 256 KiB each. */
  nbdSlabsHeldMax: 4,
  nbdSlabsKeptMax: 16,
  nbdPayloadBytesMax: 32 * 1024 * 1024,
  /** Option bytes of one NBD negotiation message. */
  nbdOptionBytesMax: 64 * 1024,
  nbdOptionsMax: 64,
  /** A clean stop waits so long for acknowledgements before it writes what is unacknowledged to disk. */
  cleanStopMs: 5_000,
  /** A config file, and how deep its maps and lists may be nested: a deeper one could end the process inside the YAML parser. */
  configBytesMax: 128 * 1024,
  configNestingMax: 32,
  /** Smallest and largest NVRAM region of a peer. */
  regionBytesMin: 4 * 1024 * 1024,
  regionBytesMax: 64 * 1024 * 1024 * 1024,
  /** What one message costs in a region beside its records: segment header, terminator and alignment. */
  regionOverheadBytes: 192,
  /** Former regions of a peer that it remembers as lost. */
  lostRegionsMax: 64,
  /** Links that a peer may have to its secondary, those among them that stand by. */
  peerLinksMax: 16,
  /** Encoded bytes that wait to be mirrored; beyond it they are not mirrored at all, and wait for their journal only. */
  mirrorWaitingBytesMax: 8 * 1024 * 1024,
  /** The one timeout of write-back: a peer that does not answer for so long is given up. Nothing in flight waits for it: journals go on. */
  peerAnswerMs: 1_000,
  /** A secondary that a peer may replace writes to the shared storage only so long after it has read its own host epoch there. */
  epochLeaseMs: 1_000,
  epochReadMs: 250,
  /** A takeover waits so long after it announced the host epoch, and again after it raised it: by then a former host that still runs has noticed. */
  epochSettleMs: 2_000,
  /** The operator's fence command is ended after so long, and the takeover refused. */
  fenceMs: 120_000,
  /** Generations kept on a host; a promotion beyond it is refused. */
  generationsMax: 1024,
} as const;
