import test from 'ava';
import {
  generatedLabelKeys,
  isGeneratedLabel,
  withoutGeneratedLabels,
} from '../../controller/model/generated-labels.ts';

test('labels of one rollout, replica or run are generated, those of people are not', (t) => {
  for (const key of [...generatedLabelKeys, 'batch.kubernetes.io/job-name', 'batch.kubernetes.io/anything-new']) {
    t.true(isGeneratedLabel(key), key);
  }
  for (const key of [
    'app',
    'app.kubernetes.io/instance',
    'app.kubernetes.io/name',
    'job',
    'batch.kubernetes.io',
    'name',
  ]) {
    t.false(isGeneratedLabel(key), key);
  }
});

test('taking generated labels away keeps all others', (t) => {
  t.deepEqual(withoutGeneratedLabels({ app: 'web', 'pod-template-hash': 'x', 'controller-uid': 'y' }), { app: 'web' });
});
