// A project, a connector and an attachment for the tests of this folder; not part of the package.
import type { Kysely } from 'kysely'
import { type AdmissionQuery, noToken, readAdmission } from './admission.ts'
import { attach, type Ceiling, listAttachments, noConsentRules } from './attachments.ts'
import { createConnector } from './connectors.ts'
import { newId } from './ids.ts'
import { createProject } from './projects.ts'
import type { AttachmentRow, IssuedTokenFacts, NewIssuedToken, Schema } from './schema.ts'

export const noCeiling: Ceiling = {
  subjects: null,
  scopes: null,
  resources: null,
  authorizationDetails: null,
  maxTtlSeconds: null,
  fullAccess: false,
}

export const facts: IssuedTokenFacts = {
  requested: { scopes: [], resources: [], authorizationDetails: [] },
  granted: { scopes: [], resources: [], authorizationDetails: [] },
  enforcedBy: 'provider',
  origins: [],
  digest: 'sha256:0',
}

/** Everything a token row needs, under names that no other test uses. */
export interface World {
  readonly projectId: string
  readonly connectorId: string
  readonly uid: string
  readonly attachment: AttachmentRow
  readonly ask: (more?: Partial<AdmissionQuery>) => ReturnType<typeof readAdmission>
  readonly token: (more?: Partial<NewIssuedToken>) => NewIssuedToken
}

/** `now` of all rows. */
export const now = 1_000_000

export async function makeWorld(db: Kysely<Schema>, ceiling: Ceiling = noCeiling): Promise<World> {
  const name = newId('req')
  const project = await createProject(db, { name, allowDevelopmentIdentities: false, now })
  const connector = await createConnector(db, {
    id: newId('scl'),
    uid: `fake/${name}`,
    name,
    service: 'fake',
    type: 'fake',
    configuration: {},
    secrets: 'sealed',
    now,
  })
  if (project === undefined || connector === undefined) throw new Error('names collide')
  await attach(db, {
    connectorId: connector.id,
    projectId: project.id,
    environments: ['production'],
    replace: true,
    ceiling,
    consent: noConsentRules,
    now,
  })
  const [attachment] = await listAttachments(db, { connectorIds: [connector.id] })
  if (attachment === undefined) throw new Error('nothing was attached')
  return {
    projectId: project.id,
    connectorId: connector.id,
    uid: connector.uid,
    attachment,
    ask: (more) =>
      readAdmission(db, {
        ...noToken,
        projectId: project.id,
        environment: 'production',
        connector: connector.uid,
        requestKey: 'request',
        subjectKey: 'subject',
        validityBufferMs: 30_000,
        now,
        ...more,
      }),
    token: (more) => ({
      id: newId('stk'),
      connector_id: connector.id,
      connector_version: 1,
      attachment_id: attachment.id,
      attachment_version: 1,
      project_id: project.id,
      environment: 'production',
      subject_type: 'app',
      subject_key: 'subject',
      request_key: 'request',
      installation_id: null,
      token: 'sealed',
      facts: JSON.stringify(facts),
      expires_at: now + 3_600_000,
      provider_expires_at: now + 3_600_000,
      issued_at: now,
      ended_at: null,
      revoke_at: null,
      revoke_attempts: 0,
      ...more,
    }),
  }
}
