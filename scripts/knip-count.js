/** A reporter for knip that says how many files it read: scripts/check wants proof that it read any. */
// oxlint-disable-next-line import/no-default-export -- knip takes a reporter's default export
export default ({ counters }) => {
  process.stdout.write(`knip read ${counters.processed} files\n`);
};
