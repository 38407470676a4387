export { createSignIn } from './create-sign-in.ts'
export { readPerson } from './read-person.ts'
export type { Person, SignedIn, SignIn, SignInOptions } from './types.ts'
