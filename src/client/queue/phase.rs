//! The phases of a job, and what leads from one to the next.

/// The phase of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Queued,
    Waiting,
    Connecting,
    Running,
    Verifying,
    Done,
    Failed,
    /// The user has to decide something.
    Undecided,
    Paused,
    Cancelled,
}

/// What happens to a job: above the line commands (and the end of a wait), below it events of its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Pause,
    Resume,
    Cancel,
    Retry,
    // ---
    Start,
    Answered,
    Complete,
    Again,
    /// Its server cannot be reached: it waits for that, not for itself.
    Unreachable,
    /// Its server could not be reached for too long.
    TimedOut,
    Finished,
    Failed,
    /// Only the user can decide what follows.
    Asks,
    /// The user leaves it as it is.
    Declined,
}

impl Phase {
    /// The number of phases.
    pub(crate) const COUNT: usize = Phase::Cancelled as usize + 1;

    /// Its place among the groups in which a queue is shown: running, what the user has to decide, waiting, paused, failed, cancelled,
    /// done.
    pub(crate) fn group(self) -> u8 {
        match self {
            Phase::Connecting | Phase::Running | Phase::Verifying => 0,
            Phase::Undecided => 1,
            Phase::Queued | Phase::Waiting => 2,
            Phase::Paused => 3,
            Phase::Failed => 4,
            Phase::Cancelled => 5,
            Phase::Done => 6,
        }
    }

    /// The phase after `input`; `None` if this phase does not take it. A transfer that is being stopped may still end
    /// by itself: a file that is in place is done, whatever was commanded meanwhile; all other late inputs are
    /// ignored.
    #[rustfmt::skip]
    pub(crate) fn next(self, input: Input) -> Option<Phase> {
        use Phase::{Cancelled, Connecting, Done, Failed, Paused, Queued, Running, Undecided, Verifying, Waiting};
        Some(match (input, self) {
            (Input::Pause,    Queued | Waiting | Connecting | Running | Verifying) => Paused,
            (Input::Resume,   Paused) => Queued,
            (Input::Cancel,   Queued | Waiting | Connecting | Running | Verifying | Failed | Undecided | Paused) => Cancelled,
            (Input::Retry,    Waiting | Failed | Undecided | Cancelled) => Queued,
            (Input::Start,    Queued) => Connecting,
            (Input::Answered, Connecting) => Running,
            (Input::Complete, Connecting | Running) => Verifying,
            (Input::Again,    Connecting | Running | Verifying) => Waiting,
            (Input::Unreachable, Connecting | Running | Verifying) => Queued,
            (Input::TimedOut,   Queued | Waiting) => Failed,
            (Input::Finished, Queued | Waiting | Connecting | Running | Verifying | Paused | Cancelled) => Done,
            (Input::Failed,   Connecting | Running | Verifying) => Failed,
            // One that waits can be asked about as well: its server wants a token that it has not got.
            (Input::Asks,     Queued | Waiting | Connecting | Running | Verifying) => Undecided,
            (Input::Declined, Undecided) => Failed,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: [Input; 14] = [
        Input::Pause,
        Input::Resume,
        Input::Cancel,
        Input::Retry,
        Input::Start,
        Input::Answered,
        Input::Complete,
        Input::Again,
        Input::Unreachable,
        Input::TimedOut,
        Input::Finished,
        Input::Failed,
        Input::Asks,
        Input::Declined,
    ];

    #[test]
    fn done_is_final() {
        assert!(INPUTS.iter().all(|&input| Phase::Done.next(input).is_none()));
    }

    #[test]
    fn every_phase_is_reached_and_only_done_cannot_be_left() {
        let mut reached = vec![Phase::Queued];
        let mut at = 0;
        while let Some(&phase) = reached.get(at) {
            let next: Vec<_> = INPUTS.iter().filter_map(|&input| phase.next(input)).collect();
            assert_eq!(next.is_empty(), phase == Phase::Done, "{phase:?}");
            for phase in next {
                if !reached.contains(&phase) {
                    reached.push(phase);
                }
            }
            at += 1;
        }
        assert_eq!(reached.len(), Phase::COUNT);
    }

    #[test]
    fn nothing_stopped_begins_to_run_by_itself() {
        for phase in [Phase::Paused, Phase::Cancelled, Phase::Failed, Phase::Undecided] {
            for input in [
                Input::Start,
                Input::Answered,
                Input::Complete,
                Input::Again,
                Input::Unreachable,
                Input::TimedOut,
                Input::Failed,
                Input::Asks,
            ] {
                assert_eq!(phase.next(input), None, "{phase:?} {input:?}");
            }
        }
    }
}
