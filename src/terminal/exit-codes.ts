/** The exit codes in a few words each; docs/errors.md and `knhk explain` have the errors behind them. */
export const EXIT_CODES: Readonly<Record<number, string>> = {
  0: 'ok',
  1: 'rejected by the state machine',
  2: 'usage, or an unreadable argument or file',
  3: 'a script stopped at a line',
  4: 'something named does not exist',
  5: 'no endpoint reached',
  6: 'a deadline passed; the outcome is unknown',
  7: 'no quorum or no leader',
  8: 'not permitted, or refused for safety',
  9: 'conflict',
  10: 'corrupt, different, or a violation found',
  70: 'a defect of knhk',
  130: 'interrupted by Ctrl-C',
  143: 'ended by SIGTERM',
}
