import { type Broker, createBroker } from '@valetkey/broker'

export async function startBroker(databaseUrl: string, keys: string): Promise<Broker> {
  const broker = createBroker({
    publicUrl: 'https://keys.example.com',
    database: { url: databaseUrl },
    keys,
    log: (level, message, fields) =>
      process.stdout.write(`${JSON.stringify({ level, message, ...fields })}\n`),
  })
  await broker.start()
  // broker.fetch answers requests; broker.close() signs the last checkpoint.
  return broker
}
