import type { Context } from '../client/context.ts'
import { invalidRequest, invalidResponse } from '../errors/connect-error.ts'
import { asRecord } from '../http/parse-json.ts'
import { askOverHttp } from '../issuing-point/ask-over-http.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import { callIssuingPoint } from './call-issuing-point.ts'
import type { ConnectorMetadata } from './get-connector-metadata.ts'

/** Asks for a connector's description and checks the answer. */
export function requestDescription(
  context: Context,
  connector: string,
  options: CheckedOptions,
): Promise<ConnectorMetadata> {
  return callIssuingPoint(context, connector, options, async ({ reach }, call) => {
    if (typeof reach === 'function')
      return checkDescription(
        await askOverHttp(reach(options.region), 'GET', ['connectors', ''], connector, undefined, call),
      )
    if (reach.describeConnector === undefined)
      throw invalidRequest('This issuing point cannot describe connectors', connector)
    return checkDescription(await reach.describeConnector(connector, call))
  })
}

function checkDescription(value: unknown): ConnectorMetadata {
  const { id, uid, name, type, service, clientUrl, createdAt, updatedAt, data } = asRecord(value) ?? {}
  const texts = [id, uid, name, type, service]
  if (
    !texts.every((text) => typeof text === 'string') ||
    typeof createdAt !== 'number' ||
    typeof updatedAt !== 'number'
  )
    throw invalidResponse("The issuing point's answer does not describe a connector")
  const [idText, uidText, nameText, typeText, serviceText] = texts as [string, string, string, string, string]
  return {
    id: idText,
    uid: uidText,
    name: nameText,
    type: typeText,
    service: serviceText,
    ...(typeof clientUrl === 'string' ? { clientUrl } : undefined),
    createdAt,
    updatedAt,
    vendor: asRecord(data) ?? {},
  }
}
