import { hostLabel, url, uuid } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * A Kubernetes service account, by its name and by the uid that it does not share with one made later under that name. The
 * cluster is the issuer. The token must be projected for the broker's audience: the one that pods have by default is for
 * the API server, and never accepted. Projected tokens live an hour unless configured otherwise.
 */
export const kubernetes: TrustTemplate = defineTemplate({
  platform: 'kubernetes',
  title: 'Kubernetes',
  fields: {
    issuer: url,
    namespace: hostLabel,
    serviceAccount: {
      what: 'the name of a service account',
      pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
    },
    serviceAccountUid: uuid,
  },
  fill: ({ issuer, namespace, serviceAccount, serviceAccountUid }) => ({
    issuer,
    claims: {
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      '/kubernetes.io/namespace': namespace,
      '/kubernetes.io/serviceaccount/uid': serviceAccountUid,
    },
    maxAgeSeconds: 3_600,
    words: [
      `Pods of the cluster ${issuer} that run as the service account ${namespace}/${serviceAccount} (${serviceAccountUid}).`,
      'Not: other namespaces, or a service account that is made again under the same name.',
    ],
    ...(serviceAccount === 'default'
      ? {
          weaknesses: [
            'This is the default service account: every pod of the namespace that was given none of its own runs as it.',
          ],
        }
      : {}),
  }),
})
