import { ClusterError } from '../model/cluster-error.ts';

/** The answer, or `otherwise` where the user lacks the right to read it: the rest is worth having. */
export async function whatMayBeRead<Answer, const Otherwise>(
  answer: Promise<Answer>,
  otherwise: Otherwise,
): Promise<Answer | Otherwise> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'Forbidden') return otherwise;
    throw error;
  }
}
