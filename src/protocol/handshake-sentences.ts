/** What each row of the handshake's table says to people: what happened, why it matters, what to try. */
import type { PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import { assert } from '../model/assert.ts';
import { firstFork } from './generations.ts';
import type { HandshakeFindings, HandshakeQuestion } from './handshake-facts.ts';
import { newestPoint } from './handshake-history.ts';

type Sentence = (question: HandshakeQuestion, findings: HandshakeFindings) => string;

const RESYNC =
  'A resync is needed: until it exists, serve the copy with "farshore promote", or initialise the secondary again together with a new group';
const KEEP = 'Nothing was changed on either side';

/** Sentences by label of the table's rows; a test holds that none is missing. */
export const HANDSHAKE_SENTENCES: Readonly<Record<string, Sentence>> = {
  'other version': ({ primary, secondary }) =>
    `the primary speaks protocol version ${primary.protocolVersion} and the secondary version ${secondary.protocolVersion}; this Farshore speaks ${PROTOCOL_VERSION}, so the hosts would misread each other. Install the same release on both`,
  'wrong roles': ({ primary, secondary }) =>
    `a ${secondary.role} has connected to a ${primary.role}; only a secondary replicates from a primary. Check replication.connect in the config of the host that dials`,
  'contradictory facts': (_, { unsound }) =>
    `the hosts cannot be compared: ${unsound ?? 'unknown'}. A host that contradicts itself is damaged or altered by hand, and is not believed. ${KEEP}; look at that host's state folder`,
  'other group': ({ primary, secondary }) =>
    `the secondary "${secondary.groupName}" belongs to group ${secondary.groupId ?? 'none'}, but this primary "${primary.groupName}" is of group ${primary.groupId}: it was initialised again, or it is another primary. ` +
    `Merging two histories would ruin the copy. ${KEEP}; check the addresses, or initialise a new secondary for the new group`,
  'forked generations': describeFork,
  'secondary was promoted': ({ primary, secondary }) =>
    `this primary is superseded: it is of generation ${numberOf(primary)}, and the secondary was promoted to generation ${numberOf(secondary)} after data set ${secondary.generations.at(-1)?.afterDataSet ?? 'none'}. ` +
    `Both would accept writes and diverge. Stop the applications here; they belong to the promoted host`,
  'secondary of an old generation': ({ primary, secondary }) =>
    `the secondary is of generation ${numberOf(secondary)}, and the group is in generation ${numberOf(primary)} since a promotion; its copy may hold writes that the promotion gave up. ${RESYNC}`,
  'primary superseded': ({ primary }) =>
    `the primary was superseded by a promotion and no longer serves generation ${numberOf(primary)}. Following it would lead away from the promoted host. Connect this secondary to the promoted host after a resync`,
  'primary failed': () =>
    'the primary marked its group failed after a store or a flush of its own volume failed, so what it would send may differ from what its applications read. ' +
    'Repair the primary\'s disk, or serve the copy with "farshore promote" on the secondary',
  'primary standalone': ({ primary }) =>
    `the primary goes on without its secondary and diverged from data set ${primary.acknowledged?.dataSet ?? 'none: from the beginning on'}; writes since then were not kept for the copy. ${RESYNC}`,
  'other stream': ({ primary, secondary }) =>
    `the copy follows stream ${secondary.stream ?? 'none'}, but the primary began stream ${primary.stream} because it could not prove that it continues; the copy may lack writes. ${RESYNC}`,
  'volumes differ': (_, { volumes }) =>
    `the volume tables differ: ${volumes ?? 'unknown'}. Writes would land in another volume or past its end. ${KEEP}; correct volumes in one of the configs`,
  'journals too small': (_, { geometry }) =>
    `the secondary's journals do not fit: ${geometry ?? 'unknown'}. Such a data set could never be completed. Give journals.slots and journals.size of the secondary more, or lower dataSets.maxSize of the primary`,
  'superseded host': ({ primary, secondary }) =>
    `this secondary has host epoch ${secondary.hostEpoch}, but the primary has seen ${primary.hostEpoch}: another host took its place. Two hosts must never write one copy. Do not start this host again; it was fenced`,
  'secondary ahead': (_, { ahead }) =>
    `the secondary is ahead of its primary: ${ahead ?? 'unknown'}. The primary was restored from an older copy, and going on would give the same numbers to other writes. ` +
    `${KEEP}; the newer data is on the secondary: bring it into service with "farshore promote"`,
  'other run of the primary': ({ primary, secondary }, { otherRun }) =>
    `the copy holds number ${otherRun ?? 'unknown'} from another run of the primary (session ${secondary.lastPrimarySession ?? 'unknown'}), but this run (session ${primary.session}) gives every number from ${primary.sessionFirstSequence} on itself: ` +
    `the primary was restored from an older copy, or cloned, and one number would mean two writes. ${KEEP}; decide which primary is the right one, or serve the copy with "farshore promote"`,
  'other chain': describeChains,
  'acknowledged numbers missing': describeMissing,
  'unknown chain': ({ primary, secondary }) =>
    `the primary no longer knows the history at data set ${newestPoint(secondary)?.dataSet ?? 'none'}, where the copy ends (it knows ${primary.chains[0]?.dataSet ?? 'none'} to ${primary.chains.at(-1)?.dataSet ?? 'none'}), so nothing proves that both are one history. ${RESYNC}`,
  'held data sets differ': (_, { contradiction }) =>
    `the journals of the secondary contradict the primary: ${contradiction ?? 'unknown'}. They are not of one history. ${KEEP}; look at the journals before anything else`,
  'blank, beginning released': ({ primary }, { beginning }) =>
    `the secondary is blank (new, or wiped), and the primary "${primary.groupName}" no longer holds everything from its first write on: ${beginning ?? 'unknown'}. The copy would have holes. ` +
    'A resync is needed: until it exists, restore the right secondary, or begin a new group on both hosts',
  'other session is live': ({ judge, primary, secondary }) =>
    judge === 'primary'
      ? `the primary "${primary.groupName}" has live links with another session of a secondary; two at once would both acknowledge. If that host is gone its links end by themselves; stop it if there are two`
      : `the secondary "${secondary.groupName}" has live links with another session of a primary; two at once would both be obeyed. If that primary is gone its links end by themselves; check replication.connect if there are two`,
  'takes the place of a live host': ({ primary, secondary }) =>
    `this secondary has host epoch ${secondary.hostEpoch} and took the place of the one that is connected, which has at most ${primary.hostEpoch}: the links of that one are closed, and nothing that it acknowledges from now on counts`,
  'host epoch of a running session changed': ({ primary, secondary }) =>
    `one run of a secondary has one host epoch, but this one, which agreed at ${primary.hostEpoch} or lower, now says ${secondary.hostEpoch}. A host that contradicts itself is not believed. ${KEEP}; look at that host's log`,
  'primary is stopping': ({ primary }) =>
    `the primary "${primary.groupName}" is stopping and takes no new links. Nothing is lost: it continues the stream at its next start`,
  'further link': ({ primary }) => `a further link of sessions that agreed before, group "${primary.groupName}"`,
  'same history': ({ primary, secondary }) =>
    `both hosts share the history of group "${primary.groupName}" through data set ${newestPoint(secondary)?.dataSet ?? 'none yet'}; the stream goes on at generation ${numberOf(primary)}`,
  'first contact': ({ primary }) =>
    `the blank secondary joins group "${primary.groupName}", of which the primary holds everything from the first write on`,
};

/** Say what a row of the table means for these two hosts. */
export function sentenceFor(label: string, question: HandshakeQuestion, findings: HandshakeFindings): string {
  const sentence = HANDSHAKE_SENTENCES[label];
  assert(sentence !== undefined, `the handshake has no sentence for "${label}"`);
  return `${sentence(question, findings)}.`;
}

function numberOf(facts: PrimaryFacts | SecondaryFacts): number | string {
  return facts.generations.at(-1)?.number ?? 'none';
}

function describeFork({ primary, secondary }: HandshakeQuestion): string {
  const fork = firstFork(primary.generations, secondary.generations);
  return (
    `both hosts know a generation ${fork?.a.number ?? 'unknown'}, but not the same one (${fork?.a.id ?? '?'} after data set ${fork?.a.afterDataSet ?? 'none'} on the primary, ` +
    `${fork?.b.id ?? '?'} after ${fork?.b.afterDataSet ?? 'none'} on the secondary): two hosts were promoted independently, and their data differ. ` +
    `${KEEP}; decide which host is right and initialise the other again`
  );
}

function describeChains({ secondary }: HandshakeQuestion, { chains }: HandshakeFindings): string {
  const newest = newestPoint(secondary);
  const expected = chains.verdict === 'different' ? chains.expected : null;
  return (
    `data set ${newest?.dataSet ?? 'none'} is not the same on both hosts: chain ${expected?.chain ?? 'unknown'} at number ${expected?.finalSequence ?? 'unknown'} on the primary, ` +
    `chain ${newest?.chain ?? 'unknown'} at number ${newest?.finalSequence ?? 'unknown'} in the copy. One of the hosts was restored from an older copy and then written to. ` +
    `${KEEP}; decide which host is right: "farshore promote" serves the copy`
  );
}

function describeMissing({ primary, secondary }: HandshakeQuestion, { missing }: HandshakeFindings): string {
  const newest = newestPoint(secondary);
  return (
    `the secondary acknowledged number ${missing ?? 'unknown'} and no longer holds it: its copy ends at data set ${newest?.dataSet ?? 'none'} (number ${newest?.finalSequence ?? 'none'}), while the primary ` +
    `saw everything acknowledged through data set ${primary.acknowledged?.dataSet ?? 'none'} (number ${primary.acknowledged?.finalSequence ?? 'none'}) and has released it. ` +
    `The secondary was restored from an older copy, or its disk lost what it had confirmed. ${RESYNC}`
  );
}
