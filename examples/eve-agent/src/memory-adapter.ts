import type { Adapter, AdapterPayload } from 'oidc-provider'

/** What the OAuth server of the example remembers, for as long as it runs. */
export function memoryAdapter(): (model: string) => Adapter {
  return () => {
    const entries = new Map<string, AdapterPayload>()
    return {
      async upsert(id, payload) {
        entries.set(id, payload)
      },
      find: async (id) => entries.get(id),
      findByUid: async (uid) => [...entries.values()].find((entry) => entry.uid === uid),
      findByUserCode: async () => undefined,
      async consume(id) {
        const entry = entries.get(id)
        if (entry !== undefined) entry.consumed = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        entries.delete(id)
      },
      async revokeByGrantId(grantId) {
        for (const [id, entry] of entries) if (entry.grantId === grantId) entries.delete(id)
      },
    }
  }
}
