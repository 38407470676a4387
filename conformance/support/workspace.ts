import type { TestBroker } from './broker.ts'
import type { TestIssuer } from './issuer.ts'

/** Projects are named by what they are for, so that several tests can share a broker. */
export interface ProjectOptions {
  readonly environment?: string
  readonly claims?: Readonly<Record<string, string | readonly string[]>>
}

/** Creates a project that trusts `issuer` for `sub: workload:<name>`, and returns how to prove it. */
export async function createProject(
  broker: TestBroker,
  issuer: TestIssuer,
  name: string,
  options: ProjectOptions = {},
): Promise<{
  readonly id: string
  readonly name: string
  readonly ruleId: string
  identity(): Promise<string>
}> {
  const { environment = 'production', claims = { sub: `workload:${name}` } } = options
  const project = await broker.manage('POST', '/v1/projects', { name })
  const rule = await broker.manage('POST', `/v1/projects/${name}/trust`, {
    environment,
    issuer: issuer.url,
    claims,
  })
  return {
    id: String(project.id),
    name,
    ruleId: String(rule.id),
    identity: () => issuer.identity(broker.url, { sub: `workload:${name}` }),
  }
}

/** Creates a connector of the test's own provider and returns its id; its UID is `vault/<name>`. */
export async function createVault(
  broker: TestBroker,
  name: string,
  secret = 'stored-secret',
): Promise<string> {
  const connector = await broker.manage('POST', '/v1/connect/connectors', {
    service: 'vault',
    name,
    data: { secret },
  })
  return String(connector.id)
}

/** Attaches a connector, with a ceiling if one is given. */
export async function attach(
  broker: TestBroker,
  connector: string,
  project: string,
  input: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await broker.manage('POST', `/v1/connect/connectors/${encodeURIComponent(connector)}/projects/${project}`, {
    environments: ['production'],
    merge: true,
    ...input,
  })
}
