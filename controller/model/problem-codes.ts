/**
 * Every code that a user of nanoseg can meet, with what it means and what to do about it. A test holds this table and
 * docs/problems.md equal in both directions.
 */
export const problemCodes = {
  InputNotFound: {
    means: 'A file or directory that was named does not exist or cannot be read.',
    fix: 'Check the path and its permissions.',
  },
  ManifestUnreadable: {
    means: 'A document of a manifest file is neither YAML nor JSON, or is no Kubernetes object.',
    fix: 'Correct the document at the line that is named, or render the template that it is part of first.',
  },
  ObjectInvalid: {
    means: 'A Kubernetes object has a value that the API server would refuse; the object was left out.',
    fix: 'Correct the field that is named; kubectl apply --dry-run=server says the same.',
  },
  ObjectConflict: {
    means: 'Two manifests say different things about one object; the first one was taken.',
    fix: 'Leave one of them out, or read the two directories one by one.',
  },
  PolicyInvalid: {
    means: 'A NetworkPolicy has a field or value that the API server would refuse; the policy was left out.',
    fix: 'Correct the field that is named; kubectl apply --dry-run=server says the same.',
  },
  LimitExceeded: {
    means: 'An input is larger, deeper or more entangled than nanoseg accepts.',
    fix: 'Split the file, or take out what does not belong to it.',
  },
  ProfileInvalid: {
    means: 'The profile has a field that does not exist or a value that it cannot have.',
    fix: 'Correct the field that is named; docs/profile.md lists all of them.',
  },
  NotExpressible: {
    means:
      'A part of a proposal cannot be said in the dialect, or is not enforced by the network plugin; it is left out.',
    fix: 'Choose another dialect with --dialect, correct the network plugin in the profile, or accept the connection as denied.',
  },
} as const satisfies Record<string, { readonly means: string; readonly fix: string }>;

export type ProblemCode = keyof typeof problemCodes;
