/** Commented config files for `farshore config sample`; all three pass `farshore config check`, and work together on one machine. */

export const SAMPLE_ROLES = ['primary', 'secondary', 'peer'] as const;
export type SampleRole = (typeof SAMPLE_ROLES)[number];

const PRIMARY = `# The primary: applications write to its volumes over NBD, and it sends every write to the secondary.
role: primary                       # the host's durable state overrides it after a promotion
group: demo                         # the volumes that are replicated as one; both hosts name the same group
state: ./primary                    # this host's own state; relative paths start at this file's folder
volumes:                            # the same names, VLUN numbers and sizes on both hosts
  - { name: db1, vlun: 0, size: 1GiB, path: ./primary/db1.img, store: auto }   # a file or a block device; store: auto | pwrite | mmap
nbd:
  listen: 127.0.0.1:10809           # or unix:/path, or a list; the export's name is the volume's
replication:
  listen: 127.0.0.1:10810           # or a list; the secondary dials it
  flush: local                      # remote: FLUSH is replied to when its data set is durable on the far side
dataSets:
  minAge: 10ms                      # a younger data set is not closed by a flush
  maxAge: 100ms                     # an older one is closed without a flush
  maxSize: 31MiB                    # below one slot of the secondary's journals
backlog:
  limit: 256MiB                     # unacknowledged bytes; beyond it the policy decides
  policy: throttle                  # slow the application down
objective: 5s                       # recovery point objective: beyond it the status is degraded
status:
  listen: 127.0.0.1:10811           # status page, /api/status, /metrics, /healthz, /readyz
log: { level: info, format: json }  # error | warn | info | debug; json | text
insecure: false                     # true: allow listening beyond this machine, without authentication
`;

const SECONDARY = `# The secondary: keeps a consistent copy of the primary's volumes, and can be promoted.
role: secondary                     # the host's durable state overrides it after a promotion
group: demo                         # the same as the primary's
state: ./secondary                  # this host's own state; relative paths start at this file's folder
volumes:                            # the same names, VLUN numbers and sizes as the primary's
  - { name: db1, vlun: 0, size: 1GiB, path: ./secondary/db1.img }
replication:
  connect: [ "ws://127.0.0.1:10810" ]   # the primary's addresses; several are several paths
  links: 2                          # links at once over these paths
journals:
  path: ./secondary/journals        # best on a disk of its own
  slots: 16                         # data sets that may be active at once
  size: 32MiB                       # of one slot
mode: write-through                 # a record is acknowledged when its journal is durable; write-back: or when the peer holds it, with
peer:                               # a third host beside this one (farshore config sample peer); unused in write-through
  listen: 127.0.0.1:10820           # or a list; the peer dials it
nbd:
  listen: 127.0.0.1:10819           # served after a promotion
objective: 5s                       # recovery point objective: beyond it the status is degraded
status:
  listen: 127.0.0.1:10821           # status page, /api/status, /metrics, /healthz, /readyz
log: { level: info, format: json }  # error | warn | info | debug; json | text
insecure: false                     # true: allow listening beyond this machine, without authentication
`;

const PEER = `# The peer: holds copies of records for a secondary in mode write-back, and can take its place when that is lost.
role: peer                          # the host's durable state overrides it after a takeover
group: demo                         # the same as the primary's
state: ./peer                       # this host's own state; relative paths start at this file's folder
nvram:
  path: /dev/shm/farshore-demo.nvram    # in memory, as here, it survives this process; on a disk also the machine
  size: 256MiB                      # allocated at init; full: the secondary waits for its journals, as in write-through
  hold: memory                      # durable: a record is held only when the region was flushed
connect: [ "ws://127.0.0.1:10820" ] # the secondary's peer.listen; several are several paths, of which one is used
takeover:                           # this host's own paths to the shared storage, used only after a fence; leave it out: never
  volumes:                          # the same names, VLUN numbers and sizes as the secondary's
    - { name: db1, vlun: 0, size: 1GiB, path: ./secondary/db1.img }
  journals: { path: ./secondary/journals }
  replication: { connect: [ "ws://127.0.0.1:10810" ], links: 2 }  # the primary's addresses
  nbd: { listen: 127.0.0.1:10829 }  # served after a promotion that follows a takeover
  # Run before anything else, without a shell: it must shut the lost host out of the shared storage, and exit with 0 only then.
  # Without it a person has to say that this was done: farshore takeover --fenced
  # fence: [ /usr/local/sbin/fence-host, secondary1 ]
objective: 5s                       # recovery point objective, after a takeover
status:
  listen: 127.0.0.1:10822           # status page, /api/status, /metrics, /healthz, /readyz
log: { level: info, format: json }  # error | warn | info | debug; json | text
insecure: false                     # true: allow listening beyond this machine, without authentication
`;

/** The text of a sample config. */
export function sampleConfig(role: SampleRole): string {
  return { primary: PRIMARY, secondary: SECONDARY, peer: PEER }[role];
}
