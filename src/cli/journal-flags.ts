/** Arguments and flags that the journal commands share. */
import { Args, Flags } from '@oclif/core';

export const ringArgument = Args.string({
  name: 'DIR',
  description: "The journals' folder (journals.path in the config), or the secondary's state folder.",
  required: true,
});

export const journalArgument = Args.string({
  name: 'DIR|FILE',
  description: "The journals' folder, the secondary's state folder, or one journal file.",
  required: true,
});

export const dumpArgument = Args.string({
  name: 'DIR|FILE',
  description: "The journals' folder, the secondary's state folder, one journal file, or the watermark's file.",
  required: true,
});

export const stateFlag = Flags.string({
  summary: 'State folder of the secondary, when it is not beside the journals.',
  helpValue: 'DIR',
});
