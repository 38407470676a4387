/** What a broker answered, whatever it was. */
export interface Answer<Body = Readonly<Record<string, unknown>>> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

/** Somebody with a credential who calls a broker over plain HTTP. */
export interface Operator {
  readonly url: string
  /** Calls and returns the body of a success; throws with the status and body of anything else. */
  call<Body = Readonly<Record<string, unknown>>>(method: string, path: string, body?: object): Promise<Body>
  /** Calls and returns whatever came back. */
  ask<Body = ErrorAnswer>(method: string, path: string, body?: object): Promise<Answer<Body>>
  /** The events of the whole audit trail. */
  exportTrail(): Promise<readonly TrailEvent[]>
}

/** What tests read of an exported audit event. */
export interface TrailEvent {
  readonly kind: string
  readonly requestId: string | null
  readonly code: string | null
}

/** The wire's error body. */
export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string; readonly requestId: string }
}

/** A caller of the broker at `url`; `fetch` may hand requests to a broker that has no port. */
export function createOperator(
  url: string,
  credential: string,
  fetch: typeof globalThis.fetch = globalThis.fetch,
): Operator {
  async function ask<Body>(method: string, path: string, body?: object): Promise<Answer<Body>> {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Body,
    }
  }
  return {
    url,
    ask,
    async call<Body>(method: string, path: string, body?: object): Promise<Body> {
      const answer = await ask<Body>(method, path, body)
      if (answer.status < 200 || answer.status > 299)
        throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    async exportTrail() {
      const answer = await fetch(`${url}/v1/audit/export`, {
        headers: { authorization: `Bearer ${credential}` },
      })
      const lines = (await answer.text()).trim().split('\n')
      return lines
        .map((line) => JSON.parse(line) as TrailEvent & { readonly type: string })
        .filter(({ type }) => type === 'event')
    },
  }
}

/** Creates a connector and returns its id. */
export async function createConnector(
  operator: Operator,
  service: string,
  name: string,
  data: object,
): Promise<string> {
  const { id } = await operator.call<{ id: string }>('POST', '/v1/connect/connectors', {
    service,
    name,
    data,
  })
  return id
}

/** Attaches a connector to a project in one environment, up to `ceiling`. */
export async function attach(
  operator: Operator,
  connector: string,
  project: string,
  environment: string,
  ceiling: object = {},
): Promise<void> {
  await operator.call('POST', attachmentPath(connector, project), {
    environments: [environment],
    merge: true,
    ...ceiling,
  })
}

/** Takes a connector away from a project. */
export async function detach(operator: Operator, connector: string, project: string): Promise<void> {
  await operator.call('DELETE', attachmentPath(connector, project))
}

/** Creates a project and returns a development identity of it, as `env pull` would. */
export async function createWorkload(
  operator: Operator,
  project: string,
  environment = 'development',
): Promise<string> {
  await operator.call('POST', '/v1/projects', { name: project })
  return developmentIdentity(operator, project, environment)
}

/** An identity of the broker's own development issuer. */
export async function developmentIdentity(
  operator: Operator,
  project: string,
  environment: string,
): Promise<string> {
  const { token } = await operator.call<{ token: string }>(
    'POST',
    `/v1/projects/${project}/development-identities`,
    { environment },
  )
  return token
}

function attachmentPath(connector: string, project: string): string {
  return `/v1/connect/connectors/${encodeURIComponent(connector)}/projects/${project}`
}
