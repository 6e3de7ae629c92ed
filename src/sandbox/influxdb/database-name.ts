/** Which names a database can have: the server's rules and texts. Pure. */

const maxBytes = 511;

/** Undefined when the name is good. `db/rp` is a database and a retention policy of v1. */
export function databaseNameProblem(name: string): string | undefined {
  if (name === "") return "db name cannot be empty";
  if (Buffer.byteLength(name) > maxBytes) return `db name too long: max ${maxBytes}`;
  if (/^[^A-Za-z0-9]/.test(name)) {
    return /^[\0-\x7f]/.test(name) ? "db name did not start with a number or letter" : invalidCharacter;
  }
  if (/[^A-Za-z0-9_/-]/.test(name)) return invalidCharacter;
  if (name.endsWith("/") || name.split("/").length > 2) {
    return "db name with invalid retention policy, if providing a retention policy name, must be of form '<db_name>/<rp_name>'";
  }
  return undefined;
}

const invalidCharacter =
  "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, or hyphens";
