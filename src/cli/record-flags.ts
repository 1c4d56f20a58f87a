/** Flags that choose records, and how they are shown: the same in a journal and in a region. */
import { Flags } from '@oclif/core';
import { RECORD_TYPE, type RecordTypeName } from '../model/commands.ts';

const TYPES = Object.keys(RECORD_TYPE) as RecordTypeName[];

/** `pads`: whether there can be any; only a journal has them. */
export function recordFlags({ pads }: { readonly pads: boolean }) {
  const types = pads ? TYPES : TYPES.filter((type) => type !== 'pad');
  return {
    vlun: Flags.integer({
      summary: 'Only records of the volume with this VLUN.',
      helpValue: 'N',
      min: 0,
      max: 2 ** 32 - 2,
      exclusive: ['volume'],
    }),
    volume: Flags.string({ summary: "Only records of this volume: a name of the state's volume table, or a VLUN.", helpValue: 'NAME' }),
    lba: Flags.string({ summary: 'Only records that touch one of these blocks.', helpValue: 'FROM-TO' }),
    sequence: Flags.string({ summary: 'Only records with these numbers.', helpValue: 'FROM-TO' }),
    type: Flags.option({ summary: 'Only records of this type; can be given several times.', options: types, multiple: true })(),
    checksums: Flags.boolean({ summary: "Show payload's and header's checksums instead of the time." }),
    map: Flags.boolean({ summary: 'Draw which parts of each volume the records touch, instead of the records.' }),
  };
}
