/** Commented config files for `farshore config sample`; those of primary and secondary pass `farshore config check`. */

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
mode: write-through                 # write-back: in a later version
nbd:
  listen: 127.0.0.1:10819           # served after a promotion
objective: 5s                       # recovery point objective: beyond it the status is degraded
status:
  listen: 127.0.0.1:10821           # status page, /api/status, /metrics, /healthz, /readyz
log: { level: info, format: json }  # error | warn | info | debug; json | text
insecure: false                     # true: allow listening beyond this machine, without authentication
`;

const PEER = `# The peer: holds copies of records for a secondary in write-back mode, and can take its place.
# For a later version: this one refuses to start a peer.
role: peer
group: demo
state: ./peer
nvram: { path: /dev/shm/farshore-demo.nvram, size: 256MiB, hold: memory }    # hold: memory | durable
connect: [ "ws://127.0.0.1:10820" ] # the secondary's peer address
takeover:                           # its own paths to the shared storage, used only after a fence
  volumes: [ { name: db1, vlun: 0, size: 1GiB, path: /shared/db1.img } ]
  journals: { path: /shared/journals }
  replication: { connect: [ "ws://127.0.0.1:10810" ], links: 2 }
  fence: [ /usr/local/sbin/fence-host, secondary1 ]
status: { listen: 127.0.0.1:10822 }
`;

/** The text of a sample config. */
export function sampleConfig(role: SampleRole): string {
  return { primary: PRIMARY, secondary: SECONDARY, peer: PEER }[role];
}
