export interface RetryPolicy {
	readonly maxAttempts: number;
	/** The longest wait before the second attempt, in milliseconds; it doubles from there. */
	readonly baseMs: number;
	/** No wait is longer, except where the store asks for it. */
	readonly maxMs: number;
	/** After so long no new attempt begins. */
	readonly totalMs: number;
}

export const RETRY: RetryPolicy = {
	maxAttempts: 8,
	baseMs: 100,
	maxMs: 5_000,
	totalMs: 120_000,
};

/**
 * Retries that all requests to one endpoint may use up together; a request that succeeds gives its
 * own back. While most requests fail for good, each of them gives up sooner, so that a store in
 * trouble does not get eight times its load.
 */
export interface RetryBudget {
	tokens: number;
}

const BUDGET = 200;
/** What a request that succeeds gives back beside its own retries. */
const REFUND = 0.25;

export function retryBudget(): RetryBudget {
	return { tokens: BUDGET };
}

export interface Effects {
	/** Milliseconds on a clock that never goes back. */
	readonly now: () => number;
	/** Uniform in [0, 1). */
	readonly random: () => number;
	readonly sleep: (
		ms: number,
		signal: AbortSignal | undefined,
	) => Promise<void>;
}

export type Verdict =
	| { readonly retry: false }
	/** `afterMs` is the least wait that the store asked for (Retry-After). */
	| { readonly retry: true; readonly afterMs?: number };

export interface RetryOptions {
	readonly policy: RetryPolicy;
	readonly budget: RetryBudget;
	readonly effects: Effects;
	readonly judge: (error: unknown) => Verdict;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Runs an idempotent request until it succeeds, fails for good, or a limit of the policy is reached;
 * then the last error is thrown. Waits have full jitter: uniform between nothing and the bound.
 */
export async function retrying<T>(
	attempt: () => Promise<T>,
	{ policy, budget, effects, judge, signal }: RetryOptions,
): Promise<T> {
	const started = effects.now();
	for (let attempts = 1; ; attempts++) {
		try {
			const result = await attempt();
			budget.tokens = Math.min(BUDGET, budget.tokens + attempts - 1 + REFUND);
			return result;
		} catch (error) {
			const verdict = judge(error);
			const bound = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempts - 1));
			const wait = verdict.retry
				? Math.max(verdict.afterMs ?? 0, effects.random() * bound)
				: 0;
			if (
				!verdict.retry ||
				attempts >= policy.maxAttempts ||
				budget.tokens < 1 ||
				signal?.aborted === true ||
				effects.now() - started + wait > policy.totalMs
			)
				throw error;
			budget.tokens -= 1;
			await effects.sleep(wait, signal);
		}
	}
}
