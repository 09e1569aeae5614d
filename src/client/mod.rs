//! The download engine: a queue of jobs on tokio, without any idea of a terminal.
//!
//! ```text
//! api        plain data between faces and the engine: commands, events, views
//! error      faults of one attempt, and whether another one can help
//! queue      what is queued and what may run, for a running and a saved queue: no I/O
//! engine     one task that starts, stops and retries attempts; deletions; the queue, under a lock that is held for a short time
//! session    a queue that outlives its engine
//! hooks      the user's commands after downloads
//! metalink   which files a metalink names, where they are, and their digests
//! job        one attempt of one job: files, trees, archives that are unpacked
//! transfer   the content of one file over several connections
//! source     connections to a server
//! content    what a source says of a content, and which of its blocks are verified
//! trust      known servers, and which certificate proved a content
//! disk       partial files, journals, locks, names, targets
//! ```

pub(crate) mod api;
pub(crate) mod content;
pub(crate) mod disk;
pub(crate) mod engine;
pub(crate) mod error;
#[cfg(test)]
mod fuzzing;
pub(crate) mod hooks;
pub(crate) mod job;
pub mod metalink;
pub(crate) mod queue;
pub mod session;
pub(crate) mod source;
pub(crate) mod transfer;
pub(crate) mod trust;

pub use api::{
    address::curl::{CurlCommand, CurlError, MAX_COMMAND_LEN, MAX_HEADERS},
    address::glob,
    address::locator::{Host, Locator, LocatorError, Server},
    address::shell_words::WordError,
    address::typed,
    address::web::{REDACTED, WebAddress, WebAddressError},
    address::web_header::{WebHeader, WebHeaderError},
    command::{Command, Edit},
    content::checksum::{Checksum, ChecksumError},
    content::described::{Described, PieceDigest, Pieces},
    content::origin::Origin,
    content::proof::{DigestBy, DigestKind, Proof},
    content::share::SourceShare,
    content::sums::{MAX_SUMS_LEN, Sums, SumsAt, SumsError},
    event::{Change, Event},
    job_id::JobId,
    new_job::{Earlier, Existing, Form, NewJob},
    question::{Answer, Claimed, Conflict, ConflictKind, Facts, Question, QuestionKind},
    saved::{Limits, SavedJob, SavedQueue, SavedState},
    settings::config::{Config, Extract, Names, Proxy, ProxyAddress, Trust, Web},
    settings::cookies::{Cookies, CookiesError, MAX_COOKIES_LEN},
    settings::hook::{HookCommand, HookError, Hooks, PLACEHOLDERS},
    settings::limit_schedule::{LimitPeriod, LimitSchedule, NotATime, ScheduleError, TimeOfDay, Zone},
    settings::netrc::{MAX_NETRC_LEN, Netrc, NetrcError},
    speak::Speak,
    trust::{Doubt, NewServer},
    views::arrange::{Arranged, Sort},
    views::picture::{Part, Picture},
    views::twins,
    views::view::{Finished, JobState, JobView, LostServer, Snapshot, Totals, Trouble, TroubleKind},
};
pub use engine::{Engine, resume, start};
pub use queue::saved;
pub use session::{Session, SessionName};
#[cfg(feature = "cli")]
pub(crate) use trust::read_authorities;
