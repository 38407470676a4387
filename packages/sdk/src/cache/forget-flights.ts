import { detach } from '../exchange/flights.ts'
import { type CheckedSubject, isSameSubject } from '../request/subject.ts'
import { allPartitions, type TokenCache } from './token-cache.ts'

/**
 * After a consent: lets no later call join an exchange that was sent before it, of `subject` if one is given. Such an
 * exchange may bring the refusal that the consent has just overcome. Those who wait for it already still get it.
 */
export function forgetFlights(cache: TokenCache, subject: CheckedSubject | undefined): void {
  for (const partition of [...allPartitions(cache)])
    for (const flight of [...partition.flights.values()])
      if (flight.sent && (subject === undefined || isSameSubject(flight.request.subject, subject)))
        detach(cache, partition, flight)
}
