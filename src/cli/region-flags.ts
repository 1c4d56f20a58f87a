/** Arguments and flags that the nvram commands share. */
import { Args, Flags } from '@oclif/core';

export const regionArgument = Args.string({
  name: 'FILE',
  description: "The region's file (nvram.path in the config of its peer); without it -c says which.",
});

export const journalsFlag = Flags.string({
  summary: 'Journals to compare with; default: takeover.journals of the config, where they are there.',
  helpValue: 'DIR',
});

export const peerStateFlag = Flags.string({
  summary: "The peer's state folder, which names the volumes; default: the config's.",
  helpValue: 'DIR',
});
