import type { TokenRequest } from '@valetkey/protocol'
import type { IssuingPoint } from '@valetkey/sdk'
import { type ExchangeTarget, tokenExchange } from '@valetkey/sdk/token-exchange'
import { startLibrary } from './broker.ts'
import { startIssuer } from './issuer.ts'
import { createConnect } from './issuing-point-connect.ts'
import { createCustomPoint } from './issuing-point-custom.ts'
import {
  createForeignServer,
  exchangeClient,
  type ForeignServer,
  upstreamClient,
} from './issuing-point-foreign.ts'
import { type Gate, listenerOf, openGate } from './issuing-point-gate.ts'
import { attach, createConnector, createWorkload } from './operator.ts'

/** Linked to the workload `agent` and to `other` at every issuing point; nothing else is. */
export const connector = 'oauth/weather'

/** One issuing point, and what is known about it. */
export interface Point {
  readonly gate: Gate
  /** How a client is made for it: the only thing in which apps differ. */
  readonly settings: { readonly url: string } | { readonly issuingPoint: IssuingPoint }
  /** An identity of a workload, for this issuing point. */
  identity(workload: 'agent' | 'other'): Promise<string>
}

export const pointNames = [
  'a broker',
  'Vercel Connect',
  'a broker, by RFC 8693',
  'a foreign server of RFC 8693',
  'an object with one method',
] as const
export type PointName = (typeof pointNames)[number]

export interface World {
  readonly points: Readonly<Record<PointName, Point>>
  readonly foreign: ForeignServer
  /** An identity that is meant for nobody here. */
  strayIdentity(): Promise<string>
  close(): Promise<void>
}

const vercelUrl = 'https://api.vercel.com'
const vercelAudience = 'https://vercel.com/acme'

/** Starts all of them on loopback. */
export async function startWorld(): Promise<World> {
  const [brokerGate, vercelGate, foreignGate, customGate] = await Promise.all([
    openGate(),
    openGate(),
    openGate(),
    openGate(),
  ])
  const issuer = await startIssuer()
  const foreign = await createForeignServer(foreignGate.url, issuer.url, [connector])
  foreignGate.serve(foreign.listener)
  const vercel = createConnect(issuer.url, vercelAudience, [connector, 'oauth/empty'])
  vercelGate.serve(listenerOf(vercelGate.url, vercel))
  const custom = createConnect(issuer.url, customGate.url, [connector])
  customGate.serve(listenerOf(customGate.url, custom))

  const broker = await startLibrary({
    publicUrl: brokerGate.url,
    development: true,
    egressAllow: ['127.0.0.1'],
  })
  brokerGate.serve(listenerOf(brokerGate.url, broker.fetch))
  const { owner } = broker
  const workloads = {
    agent: await createWorkload(owner, 'agent'),
    other: await createWorkload(owner, 'other'),
  }
  await createConnector(owner, 'oauth', 'weather', {
    serverUrl: foreignGate.url,
    ...upstreamClient,
    clientCredentials: { scopes: ['read'] },
    userAuthorization: { scopes: ['read'] },
  })
  for (const project of ['agent', 'other'])
    await attach(owner, connector, project, 'development', {
      subjects: ['app', 'user'],
      scopes: ['read', 'write'],
    })

  const signed = (audience: string) => (workload: string) => issuer.identity({ sub: workload }, audience)
  const atBroker = async (workload: 'agent' | 'other') => workloads[workload]
  return {
    points: {
      'a broker': { gate: brokerGate, settings: { url: brokerGate.url }, identity: atBroker },
      'Vercel Connect': { gate: vercelGate, settings: { url: vercelUrl }, identity: signed(vercelAudience) },
      'a broker, by RFC 8693': {
        gate: brokerGate,
        settings: { issuingPoint: tokenExchange({ issuer: brokerGate.url, target: asServersRead }) },
        identity: atBroker,
      },
      'a foreign server of RFC 8693': {
        gate: foreignGate,
        settings: {
          issuingPoint: tokenExchange({ issuer: foreignGate.url, ...exchangeClient, target: asServersRead }),
        },
        identity: signed(foreignGate.url),
      },
      'an object with one method': {
        gate: customGate,
        settings: { issuingPoint: createCustomPoint(customGate.url) },
        identity: signed(customGate.url),
      },
    },
    foreign,
    strayIdentity: () => issuer.identity({ sub: 'agent' }, 'https://elsewhere.example'),
    async close() {
      await broker.close()
      await Promise.all([brokerGate, vercelGate, foreignGate, customGate, issuer].map((each) => each.close()))
    },
  }
}

/** The connector is the `audience`, a user's id the `requested_subject`. */
function asServersRead(connector: string, { subject }: TokenRequest): ExchangeTarget {
  return { audience: connector, ...(subject.type === 'user' ? { requestedSubject: subject.id } : {}) }
}
