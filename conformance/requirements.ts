/** A case of the project's list of security cases that a test of this folder covers. */
export interface Requirement {
  /** Named in the title of at least one test. */
  readonly id: string
  readonly title: string
  /** What the demand rests on: a standard, a provider's page, or a section of our design. */
  readonly spec: string
}

/** The cases that exist now. An id appears with its first test, and `coverage.test.ts` holds both to it. */
export const requirements: readonly Requirement[] = [
  {
    id: 'S01',
    title:
      'What a person consented to for somebody else becomes usable by nobody, in whichever mode and with whatever is known.',
    spec: 'docs/consent.md',
  },
  {
    id: 'S02',
    title:
      'What belongs to a request, project or connector redeems for no other, and tells no other of itself.',
    spec: 'DESIGN §4',
  },
  {
    id: 'S03',
    title:
      'A code counts at the callback of the connector that asked, and only if its server says that it is from there.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9207#section-2.4',
  },
  {
    id: 'S04',
    title: 'A state is good once, in time, and in the browser that was sent with it.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-4.7',
  },
  {
    id: 'S05',
    title:
      'Browsers go to the address of their own request and to no hostile one, and pages show as text what others said.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-4.11',
  },
  {
    id: 'S06',
    title: 'PKCE is always by S256, and an answer with both an error and a code issues nothing.',
    spec: 'https://www.rfc-editor.org/rfc/rfc7636#section-7.2',
  },
  {
    id: 'S07',
    title:
      'Whoever types in a device code sees who asks for what and has to click, and nobody tries many codes.',
    spec: 'https://www.rfc-editor.org/rfc/rfc8628#section-5',
  },
  {
    id: 'S08',
    title: 'A trust rule that would admit strangers is refused when it is written.',
    spec: 'https://docs.github.com/en/actions/reference/security/oidc',
  },
  {
    id: 'S09',
    title:
      'Claims match exactly, `*` never crosses a separator, and an identity belongs to one place or to none.',
    spec: 'DESIGN §4',
  },
  {
    id: 'S11',
    title: 'A token for somebody else, from somebody else, or of another time is refused.',
    spec: 'https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation',
  },
  {
    id: 'S12',
    title: 'A token proves nothing by what its own header says, and no address in it is ever fetched.',
    spec: 'https://www.rfc-editor.org/rfc/rfc8725',
  },
  {
    id: 'S13',
    title:
      'Only an issuer that a rule names is asked for keys: over safe ways, within limits, and not often.',
    spec: 'https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation',
  },
  {
    id: 'S14',
    title:
      'An identity goes to the party it is meant for and to nobody else, and nothing takes the place of one that failed.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-2.3',
  },
  {
    id: 'S15',
    title: 'Who does not say for whom gets an error, never the token of whoever came before.',
    spec: 'DESIGN §4',
  },
  {
    id: 'S16',
    title:
      'What exceeds the ceiling is refused with the part named; an empty list is an error and not everything.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9396#section-6.1',
  },
  {
    id: 'S17',
    title: 'Two requests share a token exactly when they mean the same, whatever their texts contain.',
    spec: 'https://www.rfc-editor.org/rfc/rfc8785',
  },
  {
    id: 'S18',
    title:
      'Any number of callers at any number of brokers cause one refresh, and who lost the lease changes nothing.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2',
  },
  {
    id: 'S19',
    title: 'A rotated refresh token is kept before anything else is done with the answer it came in.',
    spec: 'https://www.rfc-editor.org/rfc/rfc6749#section-6',
  },
  {
    id: 'S20',
    title: 'A grant that its provider has ended is asked about once, and then waits for a new consent.',
    spec: 'https://www.rfc-editor.org/rfc/rfc6749#section-5.2',
  },
  {
    id: 'S21',
    title: 'The identity of a workload reaches the broker and nobody behind it.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-4.10',
  },
  {
    id: 'S22',
    title:
      'A server calls public addresses only, however they are spelled, follows no redirect, and reads and waits within limits.',
    spec: 'https://owasp.org/www-community/attacks/Server_Side_Request_Forgery',
  },
  {
    id: 'S23',
    title: "A server's metadata must name the issuer its address was built from, and usable addresses only.",
    spec: 'https://www.rfc-editor.org/rfc/rfc8414#section-3.3',
  },
  {
    id: 'S25',
    title:
      'What is stored is ciphertext, and it opens only in the place and for the owner it was sealed for.',
    spec: 'https://csrc.nist.gov/pubs/sp/800/38/d/final',
  },
  {
    id: 'S26',
    title: 'Logs, errors, metrics, audit and management answers hold no secret, whatever goes wrong.',
    spec: 'https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html',
  },
  {
    id: 'S27',
    title: 'Revoking needs the right to the thing revoked, and does not tell what others hold.',
    spec: 'https://www.rfc-editor.org/rfc/rfc7009#section-2',
  },
  {
    id: 'S28',
    title: 'Each management call needs its role, and a refusal does not tell what exists.',
    spec: 'docs/management-api.md',
  },
  {
    id: 'S29',
    title: 'Whoever edits, cuts or reorders the audit trail is found, and strangers can not make it grow.',
    spec: 'DESIGN §4',
  },
  {
    id: 'S33',
    title: 'Callers who share a process never share a token, under load, aborts and retries too.',
    spec: 'DESIGN §3',
  },
  {
    id: 'S34',
    title: "A token goes to its connector's own origins only, and not along with a redirect elsewhere.",
    spec: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.4',
  },
  {
    id: 'S35',
    title: 'Params made to do harm do none, and the objects that callers pass are not changed.',
    spec: 'https://cwe.mitre.org/data/definitions/1321.html',
  },
  {
    id: 'S36',
    title: 'An issuing point that lies, redirects or stays silent leads to a clear error in time.',
    spec: 'DESIGN §3',
  },
  {
    id: 'S37',
    title: 'No web page and no cloned folder can drive the development broker.',
    spec: 'https://www.w3.org/TR/fetch-metadata/',
  },
  {
    id: 'S38',
    title: 'A token of one kind is never taken for one of another.',
    spec: 'https://www.rfc-editor.org/rfc/rfc8725#section-3.11',
  },
  {
    id: 'S39',
    title:
      'A grant answers the project and environment it was made in, and others only where an operator lets them share.',
    spec: 'DESIGN §4',
  },
  {
    id: 'S40',
    title: 'A workload revokes what is its own, and a token minted across a revocation reaches nobody.',
    spec: 'https://www.rfc-editor.org/rfc/rfc7009#section-2.1',
  },
  {
    id: 'S41',
    title:
      'The sign-in gateway goes to registered addresses only, and a code is bound to client, address and challenge.',
    spec: 'https://www.rfc-editor.org/rfc/rfc9700#section-2.1',
  },
]
