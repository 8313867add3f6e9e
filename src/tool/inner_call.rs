//! Calls that are made inside another call.
//!
//! An inner call is a call like every other: scope, filter, arguments, cost, audit log and metrics are the same. It
//! differs in four things. It takes no place among the caller's calls, because the outer one holds one: with as many
//! outer calls as there are places, all would wait for inner ones for ever. It counts for the budget of the outer
//! call. It cannot ask a person, because revision 2026-07-28 would run the outer call again from its start. And it
//! makes no inner calls itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ErrorType, ToolError};

/// Where a call stands among others.
#[derive(Clone, Debug, Default)]
pub struct CallPosition {
    /// The call that this one is made inside of.
    pub within: Option<OuterCall>,
    /// Its own number in the audit log, once it has one.
    pub(super) number: Option<u64>,
}

/// A call that makes others. Cheap to clone: all clones share one budget.
#[derive(Clone, Debug)]
pub struct OuterCall {
    number: Option<u64>,
    budget: Arc<CallBudget>,
}

#[derive(Debug)]
struct CallBudget {
    left: AtomicU32,
    places: Arc<Semaphore>,
}

impl CallPosition {
    /// This call as the outer one of at most `calls_max` others, `at_a_time` of them at once.
    ///
    /// # Errors
    /// `unsupported`: it is an inner call itself.
    pub fn begin_inner_calls(
        &self,
        calls_max: u32,
        at_a_time: usize,
    ) -> Result<OuterCall, ToolError> {
        if self.within.is_some() {
            return Err(ToolError::new(
                ErrorType::Unsupported,
                "a call inside another call cannot make calls itself",
                "call the tools directly",
            )
            .with_code("calls_nested"));
        }
        let budget = CallBudget {
            left: AtomicU32::new(calls_max),
            places: Arc::new(Semaphore::new(at_a_time.max(1))),
        };
        Ok(OuterCall {
            number: self.number,
            budget: Arc::new(budget),
        })
    }

    /// The position of a call inside `outer`.
    pub(super) fn inside(outer: &OuterCall) -> Self {
        Self {
            within: Some(outer.clone()),
            number: None,
        }
    }

    /// The number of the outer call in the audit log.
    pub(super) fn parent_number(&self) -> Option<u64> {
        self.within.as_ref().and_then(|outer| outer.number)
    }
}

impl OuterCall {
    /// Takes one call from the budget, and waits for a place among the inner calls.
    ///
    /// # Errors
    /// `rate_limited`: the budget is spent.
    pub(super) async fn wait_for_place(&self) -> Result<OwnedSemaphorePermit, ToolError> {
        let spent = self
            .budget
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if spent.is_err() {
            return Err(ToolError::new(
                ErrorType::RateLimited,
                "the outer call has made all the calls that it may",
                "do less in one call, or make several calls",
            )
            .with_code("call_budget_spent"));
        }
        let place = self.budget.places.clone().acquire_owned().await;
        // The semaphore is never closed.
        place.map_err(|_| ToolError::internal("the places of inner calls are closed"))
    }
}
