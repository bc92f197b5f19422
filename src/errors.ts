/** Something the user can put right: the command line prints the message alone and exits with code 2. */
export class UserError extends Error {
  override name = "UserError";
}
