import type { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { actorOf } from '../audit/actor.ts'
import type { Role } from '../authenticate/caller.ts'
import * as accessTokens from '../manage/access-tokens.ts'
import * as attachments from '../manage/attachments.ts'
import * as audit from '../manage/audit.ts'
import * as connectors from '../manage/connectors.ts'
import { explain } from '../manage/explain.ts'
import * as grants from '../manage/grants.ts'
import * as projects from '../manage/projects.ts'
import { previewTrustRule } from '../manage/trust-preview.ts'
import { accept } from '../refusal.ts'
import { type Environment, pathParameter, queriesOf, queryOf } from './exchange.ts'
import { type ManagedCall, managed } from './managed.ts'

/** A call that only looks. */
function read(role: Role, action: string, run: ManagedCall['run']) {
  return managed({ role, action, recorded: false, run })
}

/** A call that changes something, or shows something worth knowing who looked at. */
function change(role: Role, action: string, run: ManagedCall['run'], status: 200 | 201 = 200) {
  return managed({ role, action, recorded: true, run, status })
}

/** What operators call; `docs/management-api.md` is the same list for people. */
export function addManagementRoutes(app: Hono<Environment>): void {
  addProjectRoutes(app)
  addConnectorRoutes(app)
  addGrantRoutes(app)
  addAccessTokenRoutes(app)
  addAuditRoutes(app)
}

function addProjectRoutes(app: Hono<Environment>): void {
  app.post(
    '/v1/projects',
    change('manager', 'project.create', ({ context, body }) => projects.createProject(context, body), 201),
  )
  app.get(
    '/v1/projects',
    read('auditor', 'project.list', ({ context, exchange }) =>
      projects.listProjects(context, queryOf(exchange)),
    ),
  )
  app.get(
    '/v1/projects/:project',
    read('auditor', 'project.read', ({ context, exchange }) =>
      projects.readProject(context, pathParameter(exchange, 'project')),
    ),
  )
  app.delete(
    '/v1/projects/:project',
    change('manager', 'project.remove', ({ context, exchange }) =>
      projects.removeProject(context, pathParameter(exchange, 'project')),
    ),
  )
  app.post(
    '/v1/projects/:project/trust',
    change(
      'manager',
      'trust.add',
      ({ context, exchange, body }) =>
        projects.addTrustRule(context, pathParameter(exchange, 'project'), body),
      201,
    ),
  )
  // A route of its own: a query that gets lost on the way would turn a dry run into the change.
  app.post(
    '/v1/projects/:project/trust/dry-run',
    change('manager', 'trust.preview', ({ context, exchange, body }) =>
      previewTrustRule(context, pathParameter(exchange, 'project'), body),
    ),
  )
  app.get(
    '/v1/projects/:project/trust',
    read('auditor', 'trust.list', ({ context, exchange }) =>
      projects.listTrustRules(context, pathParameter(exchange, 'project')),
    ),
  )
  app.delete(
    '/v1/projects/:project/trust/:rule',
    change('manager', 'trust.remove', ({ context, exchange }) =>
      projects.removeTrustRule(context, pathParameter(exchange, 'project'), pathParameter(exchange, 'rule')),
    ),
  )
  app.post(
    '/v1/projects/:project/explain',
    change('auditor', 'project.explain', ({ context, exchange, body }) =>
      explain(context, pathParameter(exchange, 'project'), body),
    ),
  )
  app.post(
    '/v1/projects/:project/development-identities',
    change(
      'manager',
      'identity.issue',
      ({ context, exchange, body }) =>
        projects.mintDevelopmentIdentity(context, pathParameter(exchange, 'project'), body),
      201,
    ),
  )
}

function addConnectorRoutes(app: Hono<Environment>): void {
  app.get(
    '/v1/connect/services',
    read('auditor', 'service.list', ({ context }) =>
      accept({
        services: context.drivers.map(({ service, type, title }) => ({ service, type, name: title })),
      }),
    ),
  )
  app.get(
    '/v1/connect/services/:service',
    read('auditor', 'service.read', ({ context, exchange }) =>
      connectors.describeService(
        context,
        pathParameter(exchange, 'service'),
        exchange.req.query('schemas') === 'true',
      ),
    ),
  )
  app.post(
    '/v1/connect/connectors',
    change(
      'manager',
      'connector.create',
      ({ context, body }) => connectors.createConnector(context, body),
      201,
    ),
  )
  app.get(
    '/v1/connect/connectors',
    read('auditor', 'connector.list', ({ context, exchange }) =>
      connectors.listConnectors(context, queryOf(exchange)),
    ),
  )
  app.patch(
    '/v1/connect/connectors/:connector',
    change('manager', 'connector.update', ({ context, exchange, body }) =>
      connectors.updateConnector(context, pathParameter(exchange, 'connector'), body),
    ),
  )
  app.delete(
    '/v1/connect/connectors/:connector',
    change('manager', 'connector.remove', ({ context, exchange }) =>
      connectors.removeConnector(context, pathParameter(exchange, 'connector')),
    ),
  )
  app.get(
    '/v1/connect/connectors/:connector/projects',
    read('auditor', 'attachment.list', ({ context, exchange }) =>
      attachments.listAttachedProjects(context, pathParameter(exchange, 'connector')),
    ),
  )
  app.get(
    '/v1/connect/connectors/:connector/projects/:project',
    read('auditor', 'attachment.read', ({ context, exchange }) =>
      attachments.readAttachments(
        context,
        pathParameter(exchange, 'connector'),
        pathParameter(exchange, 'project'),
      ),
    ),
  )
  app.post(
    '/v1/connect/connectors/:connector/projects/:project',
    change('manager', 'connector.attach', ({ context, exchange, body }) =>
      attachments.attachConnector(
        context,
        pathParameter(exchange, 'connector'),
        pathParameter(exchange, 'project'),
        body,
      ),
    ),
  )
  app.delete(
    '/v1/connect/connectors/:connector/projects/:project',
    change('manager', 'connector.detach', ({ context, exchange }) =>
      attachments.detachConnector(
        context,
        pathParameter(exchange, 'connector'),
        pathParameter(exchange, 'project'),
        queriesOf(exchange, 'environment'),
      ),
    ),
  )
}

function addGrantRoutes(app: Hono<Environment>): void {
  app.get(
    '/v1/connect/connectors/:connector/grants',
    read('auditor', 'grant.list', ({ context, exchange }) =>
      grants.listConnectorGrants(context, pathParameter(exchange, 'connector'), queryOf(exchange)),
    ),
  )
  app.patch(
    '/v1/connect/connectors/:connector/grants/:grant',
    change('manager', 'grant.update', ({ context, exchange, body }) =>
      grants.changeGrant(
        context,
        pathParameter(exchange, 'connector'),
        pathParameter(exchange, 'grant'),
        body,
      ),
    ),
  )
  app.delete(
    '/v1/connect/connectors/:connector/grants/:grant',
    change('manager', 'grant.remove', ({ context, exchange }) =>
      grants.removeGrant(context, pathParameter(exchange, 'connector'), pathParameter(exchange, 'grant')),
    ),
  )
}

function addAccessTokenRoutes(app: Hono<Environment>): void {
  app.post(
    '/v1/access-tokens',
    change(
      'manager',
      'access-token.create',
      ({ context, caller, body }) => accessTokens.createAccessToken(context, caller, body),
      201,
    ),
  )
  app.get(
    '/v1/access-tokens',
    read('owner', 'access-token.list', ({ context }) => accessTokens.listTokens(context)),
  )
  app.get(
    '/v1/access-tokens/self',
    managed({
      action: 'access-token.self',
      recorded: false,
      run: ({ caller }) => accept(accessTokens.describeCaller(caller)),
    }),
  )
  app.delete(
    '/v1/access-tokens/:id',
    change('owner', 'access-token.remove', ({ context, exchange }) =>
      accessTokens.removeToken(context, pathParameter(exchange, 'id')),
    ),
  )
}

function addAuditRoutes(app: Hono<Environment>): void {
  app.get(
    '/v1/audit/events',
    read('auditor', 'audit.list', ({ context, exchange }) => audit.listEvents(context, queryOf(exchange))),
  )
  app.post(
    '/v1/audit/verify',
    change('auditor', 'audit.verify', ({ context, body }) => audit.verifyTrail(context, body)),
  )
  app.post(
    '/v1/audit/checkpoint',
    change('auditor', 'audit.checkpoint', async ({ context }) =>
      accept({ checkpoint: await context.audit.checkpoint() }),
    ),
  )
  app.post(
    '/v1/audit/retention',
    change('owner', 'audit.prune', ({ context, caller, exchange, body }) =>
      audit.pruneTrail(context, { actor: actorOf(caller), requestId: exchange.get('requestId') }, body),
    ),
  )
  app.get(
    '/v1/audit/export',
    change('auditor', 'audit.export', ({ context, exchange }) => {
      exchange.header('content-type', 'application/x-ndjson')
      exchange.header('cache-control', 'no-store')
      return stream(exchange, async (writer) => {
        for await (const line of audit.exportTrail(context)) await writer.write(`${line}\n`)
      })
    }),
  )
}
