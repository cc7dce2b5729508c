/**
 * Every code that a user of nanoseg can meet, with what it means and what to do about it. A test holds this table and
 * docs/problems.md equal in both directions.
 */
export const problemCodes = {
  InputNotFound: {
    means: 'A file or directory that was named does not exist or cannot be read.',
    fix: 'Check the path and its permissions.',
  },
  ArgumentInvalid: {
    means: 'An argument of the command line does not have the form that the command expects.',
    fix: 'Write it as the message says; nanoseg COMMAND --help has examples.',
  },
  WorkloadNotFound: {
    means: 'No workload of the inventory has the name that was given.',
    fix: 'Check namespace and name; nanoseg connectivity DIR lists all workloads.',
  },
  WorkloadAmbiguous: {
    means: 'Several workloads fit the name or the address that was given.',
    fix: 'Write namespace/kind/name.',
  },
  ManifestUnreadable: {
    means: 'A document of a manifest file is neither YAML nor JSON, or is no Kubernetes object.',
    fix: 'Correct the document at the line that is named, or render the template that it is part of first.',
  },
  ObjectInvalid: {
    means: 'A Kubernetes object has a value that the API server would refuse; the object was left out.',
    fix: 'Correct the field that is named; kubectl apply --dry-run=server says the same.',
  },
  AuditDamaged: {
    means:
      'The audit log is not as it was written: an entry was edited, moved, put in or taken out. Nothing more is appended to it.',
    fix: 'Keep a copy and find out who could write there; then move the log away to begin a new one (docs/audit.md).',
  },
  ObjectMisplaced: {
    means:
      'A file in a folder that nanoseg keeps in a workspace is not the one object that its path names; it was left out.',
    fix: 'Give the file the name of its object, FOLDER/NAMESPACE/NAME.yaml, or move it out of the folder (docs/workspace.md).',
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
  SnapshotUnreadable: {
    means: 'A stored traffic graph is cut off, broken or of another version.',
    fix: 'Use a snapshot that this version of nanoseg wrote, or read the flows again.',
  },
  EvidenceUnreadable: {
    means:
      'The stored evidence is damaged, lacks a part, or the file with it cannot be opened or is no such file; it was left as it is.',
    fix: 'Restore it from a backup, or move it away (in Redis: another --redis-name): nanoseg then starts to learn anew.',
  },
  EvidenceNewer: {
    means: 'The stored evidence was written by a newer version of nanoseg.',
    fix: 'Run that version again, or move the file away (in Redis: another --redis-name) to start to learn anew.',
  },
  EvidenceInUse: {
    means: 'Another process has the stored evidence open, or took it over.',
    fix: 'Stop the other one, or give each its own file, or name in Redis (--redis-name).',
  },
  NobodyCounts: {
    means: 'A controller with --role decide follows what others count, and hears of nobody who does.',
    fix: 'Start nanoseg controller --role ingest with the same --redis and --redis-name; what was pushed meanwhile waits on the server.',
  },
  EvidenceUnreachable: {
    means: 'The server with the stored evidence does not answer, or not yet.',
    fix: 'Check the address (--redis), the network and the server; nanoseg goes on by itself as soon as it answers.',
  },
  EvidenceNotPermitted: {
    means: 'The server with the stored evidence does not let nanoseg in, or not do what it needs to.',
    fix: 'Check the user, the password file, the certificates and the rights of the user (docs/redis.md lists them).',
  },
  EvidenceUnwritable: {
    means:
      'The server with the stored evidence takes no writes now, or may throw evidence away. Nothing is lost while nanoseg runs.',
    fix: 'Read the reason: memory (maxmemory), a replica in the place of a master, a full disk of the server, maxmemory-policy (docs/redis.md).',
  },
  EvidenceLost: {
    means:
      'The server does not have evidence any more that it had: it was restarted without persistence, emptied, or a replica took over that lagged behind. The controller that runs writes all that it knows there again.',
    fix: 'Nothing, where it is said once; else look at the persistence of the server (docs/redis.md).',
  },
  IntakeFull: {
    means:
      'More batches of flows wait in Redis than may: no worker takes them, or not as fast as they come. Who sends is asked for patience; nothing is lost here.',
    fix: 'See with `nanoseg status` which shards nobody holds or which lag; start more `nanoseg controller --role ingest`, or raise --redis-waiting where Redis has the memory.',
  },
  EvidenceBinsDiffer: {
    means: 'The stored evidence was gathered in time bins of another width than learning.bin of the profile asks for.',
    fix: 'Set learning.bin of the cluster profile back, or move the file away to start to learn anew.',
  },
  FlowFormatUnknown: {
    means: 'No record at the beginning of a flow file belongs to a format that nanoseg reads.',
    fix: 'Compare the file with docs/flow-files.md; name its format when its first records are damaged.',
  },
  FlowFileUnusable: {
    means: 'A flow file is empty, or none of its lines can be used.',
    fix: 'Look at the reasons given for its lines; record the flows again if the file is damaged.',
  },
  ClusterEmpty: {
    means: 'The manifests hold no workload, so there is nothing that flows could be attributed to.',
    fix: 'Point --cluster at the manifests, or at a dump: kubectl get ns,deploy,sts,ds,rs,cj,job,po,svc,endpointslices,no,netpol -A -o yaml.',
  },
  NamespaceNotFound: {
    means: 'No object of the inventory is in the namespace that was given.',
    fix: 'Check the name given to --namespace.',
  },
  PoliciesMissing: {
    means: 'There is no NetworkPolicy to verify; policies of other APIs are not judged.',
    fix: 'Point --policies at NetworkPolicies of networking.k8s.io/v1.',
  },
  FlowRecordInvalid: {
    means: 'A record of a flow file cannot be used, and --strict allows none.',
    fix: 'Correct or remove the record, or leave out --strict to have it counted and passed over.',
  },
  OutputUnwritable: {
    means: 'The output directory or a file in it cannot be written.',
    fix: 'Check the path, its permissions and the space on the disk.',
  },
  ProposalNotFound: {
    means: 'No proposal has the name that was given.',
    fix: 'nanoseg proposals -A lists all of them; write namespace/name.',
  },
  ProposalAmbiguous: {
    means: 'Several proposals fit the name that was given.',
    fix: 'Write namespace/kind/name, or the name of the proposal itself.',
  },
  ProposalChanged: {
    means: 'A proposal is not any more what was shown, so that nothing was decided about it.',
    fix: 'Look at it again with nanoseg show and nanoseg diff --previous, and decide about what it is now.',
  },
  DecisionImpossible: {
    means: 'The state of a proposal does not allow the decision; nothing was decided about it.',
    fix: 'nanoseg show says what the proposal waits for.',
  },
  ConfirmationMissing: {
    means: 'A decision needs a yes, and nobody is there to be asked.',
    fix: 'Add --yes where no terminal is; with --digest it holds for that digest alone.',
  },
  EditUnusable: {
    means: 'An edited proposal cannot be saved, or its editor could not be run; the proposal is as it was.',
    fix: 'Correct the text in the file that is named and edit again; EDITOR names the editor.',
  },
  KubeconfigUnusable: {
    means: 'There is no kubeconfig, or it does not name a cluster and a user.',
    fix: 'Name one with --kubeconfig or KUBECONFIG, or a directory with --workspace.',
  },
  ClusterUnreachable: {
    means: 'The API server does not answer, or not in time.',
    fix: 'Check the network, the context (--context) and the server with kubectl version.',
  },
  NotAuthenticated: {
    means: 'The API server does not accept the credentials of the kubeconfig.',
    fix: 'Log in again; kubectl auth can-i --list uses the same credentials.',
  },
  NotPermitted: {
    means: 'The user lacks a right in the cluster.',
    fix: 'Ask for the right that is named; the ClusterRoles nanoseg-viewer, nanoseg-approver and nanoseg-admin carry them.',
  },
  NotInstalled: {
    means: 'The cluster does not know the resources of nanoseg.',
    fix: 'Check the context (--context), or install nanoseg: kubectl apply -k examples/install.',
  },
  KindNotServed: {
    means: 'The server does not have a kind of object that nanoseg reads; nanoseg goes on without it.',
    fix: 'Nothing, where the cluster is older than the kind; else check the version of the cluster.',
  },
  ObjectChanged: {
    means: 'Somebody else changed or made the object at the same time; nothing was written.',
    fix: 'Do it again: the command reads the object anew.',
  },
  ObjectMissing: {
    means: 'An object that the command needs does not exist.',
    fix: 'Check the name and the namespace that the message gives.',
  },
  RequestRefused: {
    means: 'The API server or an admission webhook refuses the object.',
    fix: 'The message is what the server says of it.',
  },
  ApplyRefused: {
    means: 'The API server refused an approved policy; nothing was changed.',
    fix: 'Read its reason: a missing right of the controller, or an admission rule of the cluster.',
  },
  PolicyNameTaken: {
    means: 'A NetworkPolicy that nanoseg did not write has the name of one that it would write; it is never touched.',
    fix: 'Rename or delete that policy, or retire the proposal.',
  },
  StoredDiffers: {
    means: 'The API server stores something else than the approved policy; it was not left in force.',
    fix: 'Look for fields that the server is too old for (endPort needs 1.22), and for webhooks that change policies.',
  },
  KeysUnusable: {
    means:
      "nanoseg's keys and certificates, in the Secret nanoseg-keys of its namespace, cannot be read or written, so that no approval can be stamped or verified.",
    fix: 'Apply examples/install again for the rights; if the Secret is damaged, delete it: new keys are made, and decisions stamped with the old ones must be made again.',
  },
  PushUnusable: {
    means: 'The endpoint that flows are pushed to cannot be opened as it was asked for.',
    fix: 'Correct the --push options, or the file or port that the message names (docs/sources.md).',
  },
  HttpUnusable: {
    means: 'The page and the API cannot be served as it was asked for.',
    fix: 'Correct the --http options, or the file or port that the message names (docs/api.md).',
  },
  WebhookNotInstalled: {
    means:
      'The admission webhook nanoseg-approvals is not in place, so that approvals cannot be stamped and count for nothing.',
    fix: 'Apply examples/install again; it brings the webhook configurations and the right to keep them current.',
  },
  ConntrackNotPermitted: {
    means: 'The kernel does not let the agent read connection tracking.',
    fix: 'Give it the capability NET_ADMIN in the network namespace of the node (hostNetwork: true), as examples/install/agent does.',
  },
  ConntrackMissing: {
    means: 'The kernel has no connection tracking that can be read.',
    fix: 'Load the modules nf_conntrack and nf_conntrack_netlink on the node, or use another flow source (Hubble, Goldmane).',
  },
  ConntrackOff: {
    means:
      'The kernel of a node tracks no connections, although traffic passes through it: no rule there asks for it. The agent sees nothing, and the node counts as not observed.',
    fix: "Track connections: kube-proxy or a network plugin's rules do, and so does one nftables or iptables rule with a connection state; or use the network plugin's own flow source.",
  },
  ConntrackBypassed: {
    means:
      'Traffic of pods passes by the kernel, as it does with the eBPF datapaths of Cilium and Calico, so that connection tracking has none of it. The node counts as not observed.',
    fix: 'Use Hubble (--hubble) or Goldmane (--goldmane) in place of the agent.',
  },
  ConntrackEventsOff: {
    means:
      'The kernel of a node tells of no connections, as its setting net.netfilter.nf_conntrack_events is 0. The node counts as not observed.',
    fix: 'Set it to 2, the default of the kernel (1 is as good).',
  },
  ConntrackBytesOff: {
    means:
      'The kernel of a node counts no bytes, as its setting net.netfilter.nf_conntrack_acct is 0; connections are seen without them.',
    fix: 'Nothing, where bytes are not wanted; else set it to 1.',
  },
  ConntrackLooseOff: {
    means:
      'The kernel of a node does not track connections that were open before it began to, as its setting net.netfilter.nf_conntrack_tcp_loose is 0.',
    fix: 'Nothing, where the agent is there for longer than the longest connection; else set it to 1, the default of the kernel.',
  },
  ConntrackBridgeUnseen: {
    means:
      'Pods of a node are members of one bridge, and the kernel does not show bridged packets to connection tracking: what they send each other directly is not seen.',
    fix: 'Load the module br_netfilter and set net.bridge.bridge-nf-call-iptables (and -ip6tables) to 1, as Kubernetes asks for with such a network plugin.',
  },
  ConntrackFull: {
    means: "The kernel's table of connections is nearly full on a node; when it is, new connections are dropped.",
    fix: 'Raise net.netfilter.nf_conntrack_max on the node, or find out who opens so many connections.',
  },
  FlowsNotDelivered: {
    means:
      'The agent cannot deliver flows to a controller. It keeps the newest and tries again; what it has to drop is told as loss.',
    fix: 'Read the reason: the address (--to), the authority (--ca), the token or certificate, the right nanoseg-flow-writer.',
  },
} as const satisfies Record<string, { readonly means: string; readonly fix: string }>;

export type ProblemCode = keyof typeof problemCodes;
