/** What each row of the peering table says to people: what happened, why it matters, what to try. */
import { assert } from '../model/assert.ts';
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import type { PeeringQuestion } from './peer-meeting.ts';

type Sentence = (question: PeeringQuestion, unsound: string | null) => string;

const WRITE_THROUGH = 'The secondary goes on in write-through';

/** Sentences by label of the table's rows; a test holds that none is missing. */
export const PEERING_SENTENCES: Readonly<Record<string, Sentence>> = {
  'other version': ({ secondary, peer }) =>
    `the peer speaks protocol version ${peer.protocolVersion} and the secondary version ${secondary?.protocolVersion ?? PROTOCOL_VERSION}; this Farshore speaks ${PROTOCOL_VERSION}, so the hosts would misread each other. ` +
    `${WRITE_THROUGH}; install the same release on both`,
  'wrong roles': ({ secondary, peer }) =>
    `a ${peer.role} has connected to the peer port of a ${secondary?.role ?? 'secondary'}; only a peer holds records of a secondary. Check peer.connect in the config of the host that dials`,
  'contradictory facts': (_, unsound) =>
    `the hosts cannot be compared: ${unsound ?? 'nothing was found'}. A host that contradicts itself is damaged or altered by hand, and is not believed. ${WRITE_THROUGH}; look at that host's state folder and region`,
  'secondary is blank': ({ peer }) =>
    `the secondary belongs to no group yet, and has nothing that the peer "${peer.groupName}" could hold. Nothing is wrong: the peer asks again, and is taken when the secondary has met its primary`,
  'other group': ({ secondary, peer }) =>
    `the peer "${peer.groupName}" holds records of group ${peer.groupId ?? 'none'}, but this secondary "${secondary?.groupName ?? ''}" is of group ${secondary?.groupId ?? 'none'}. ` +
    `A takeover would mix two histories. ${WRITE_THROUGH}; check peer.connect, or initialise the peer again for this group`,
  'superseded host': ({ secondary, peer }) =>
    `the peer knows host epoch ${peer.hostEpoch}, and this secondary has ${secondary?.hostEpoch ?? 0}: another host took its place. Two hosts must never write one copy. Do not start this secondary again`,
  'secondary of an old generation': ({ secondary, peer }) =>
    `the peer has held records of generation ${peer.generation ?? 0}, and this secondary is of generation ${generationOf(secondary)}: its copy is from before a promotion. ` +
    `Its records would stand among newer ones. ${WRITE_THROUGH}; connect the peer to the secondary of the newest generation, or initialise it again`,
  'records of another stream': ({ secondary, peer }) =>
    `the peer still holds ${peer.head - peer.tail} records of generation ${peer.generation ?? 0} stream ${peer.stream ?? 'none'}, but this secondary follows generation ${generationOf(secondary)} stream ${secondary?.stream ?? 'none'}. ` +
    `They may be the only copies of acknowledged writes, and are not overwritten. ${WRITE_THROUGH}; when they are not needed any more, initialise the peer again`,
  'another region is needed': ({ peer, marked }) =>
    `the secondary was restarted, and acknowledged records may be in region ${marked ?? 'none'} alone; this peer has region ${peer.regionId} and knows nothing of that one. ` +
    'The secondary waits, because going on could lose them. Start the peer that has that region; if it is gone for good: farshore start -c FILE --without-peer',
  'another session is live': ({ judge, peer, secondary }) =>
    judge === 'secondary'
      ? `the secondary "${secondary?.groupName ?? ''}" has a live link with another session of a peer, and believes one at a time. If that one is gone its link ends by itself; stop one if there are two`
      : `the peer "${peer.groupName}" has a live link with another session of a secondary, and holds records of one at a time. If that one is gone its link ends by itself; check peer.connect if there are two`,
  'marked region is lost': ({ peer, marked }) =>
    `region ${marked ?? 'none'}, which may have held acknowledged records that no journal has, is gone: the peer came back with the empty region ${peer.regionId}. ` +
    'The secondary meets its primary with what its journals hold; if anything acknowledged is missing, the handshake finds it, and a resync is needed',
  fetch: ({ peer }) =>
    `the peer holds region ${peer.regionId}, for which the secondary has waited: ${peer.head - peer.tail} records are fetched, and those that the journals lack are journaled`,
  'first contact': ({ secondary }) =>
    `the peer joins group "${secondary?.groupName ?? ''}" at first contact, and holds its records from now on`,
  'new stream': ({ secondary, peer }) =>
    `the peer holds nothing of stream ${peer.stream ?? 'none'} any more, and takes up generation ${generationOf(secondary)} stream ${secondary?.stream ?? 'none'}`,
  'same group': ({ secondary, peer }) =>
    `the peer goes on holding records of group "${secondary?.groupName ?? ''}", generation ${generationOf(secondary)}, in region ${peer.regionId} from number ${peer.head} on`,
};

/** Say what a row of the table means for these two hosts. */
export function peeringSentence(label: string, question: PeeringQuestion, unsound: string | null): string {
  const sentence = PEERING_SENTENCES[label];
  assert(sentence !== undefined, `the peering table has no sentence for "${label}"`);
  return `${sentence(question, unsound)}.`;
}

function generationOf(secondary: PeeringQuestion['secondary']): number | string {
  return secondary?.generations.at(-1)?.number ?? 'none';
}
