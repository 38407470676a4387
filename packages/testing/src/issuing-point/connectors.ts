import type { ConnectorDescription } from '@valetkey/protocol'

/** What a mock says of a connector: all of it follows from the UID. */
export function connectorOf(uid: string): Omit<ConnectorDescription, 'createdAt' | 'updatedAt'> {
  const [service = uid, ...rest] = uid.split('/')
  const name = rest.join('/')
  return {
    id: `scl_${uid.replace(/[^\w-]+/g, '_')}`,
    uid,
    name: name === '' ? uid : name,
    type: service,
    service,
    data: {},
  }
}
