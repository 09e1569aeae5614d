//! The digest of a file: known, or computed a block at a time. It is printed as `b3sum` or `sha256sum` do, stands in a metalink with those
//! of the pieces, or is sent with the file itself.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{Context, Stage, Trouble, file, metalink};
use crate::{
    protocol::digest::{BLOCK_SIZE, RootHasher},
    server::{
        api::snapshot::ConnectionState,
        connection::{
            answer::{
                failures::busy,
                hashing::{hash, remember},
            },
            http::{
                disposition::disposition,
                request::{head::Request, target::Form},
                response::{Response, Status},
            },
        },
        limits::permits::Permit,
    },
    storage::{StorageError, root::FileSource},
    text::odd_name,
};

/// Bytes that are read at once.
const READ_LEN: usize = 64 * 1024;
/// Blocks that the kernel reads ahead of those that are hashed.
const READ_AHEAD_BLOCKS: u64 = 8;

/// A file that is being hashed.
pub(in super::super) struct Digesting {
    request: Request,
    source: FileSource,
    hasher: Hasher,
    /// The index of the next block.
    next: u64,
    /// To compute.
    permit: Option<Permit>,
}

/// A digest that is being computed.
enum Hasher {
    Blake3(RootHasher),
    Sha256(Sha256),
    /// Of the whole and of its pieces, with those that are complete.
    Pieces {
        whole: Sha256,
        piece: Sha256,
        complete: Vec<String>,
    },
}

impl Digesting {
    /// Begins to hash a file.
    pub fn begin(
        request: Request,
        source: FileSource,
        context: &mut Context<'_>,
    ) -> Result<Option<Stage>, Trouble> {
        source.check()?;
        let output = &*context.output;
        let hasher = match request.target.form {
            Form::Sha256 => Hasher::Sha256(Sha256::new()),
            Form::Meta4 => {
                Hasher::Pieces { whole: Sha256::new(), piece: Sha256::new(), complete: Vec::new() }
            }
            _ => Hasher::Blake3(RootHasher::default()),
        };
        if let (Hasher::Sha256(_), Some(known)) =
            (&hasher, output.shared.services.digests.sha256(source.identity()))
        {
            respond(&hex::encode(known), &source, context);
            return Ok(None);
        }
        output.show(context.path);
        output.state(ConnectionState::Hashing);
        let digesting = Digesting { request, source, hasher, next: 0, permit: None };
        Ok(Some(Stage::Digesting(Box::new(digesting))))
    }

    /// Begins to hash a file that is sent then, with its digest; without a permit it is sent at once, without the digest.
    pub fn before_content(
        request: Request,
        source: FileSource,
        context: &mut Context<'_>,
    ) -> Result<Option<Stage>, Trouble> {
        let output = &*context.output;
        let Some(permit) = output.shared.services.hashing.take(output.peer()) else {
            return file::respond(&request, source, context);
        };
        output.show(context.path);
        output.state(ConnectionState::Hashing);
        let hasher = Hasher::Sha256(Sha256::new());
        let digesting = Digesting { request, source, hasher, next: 0, permit: Some(permit) };
        Box::new(digesting).step(context)
    }

    /// Hashes a block, or the blocks that are known.
    pub fn step(mut self: Box<Self>, context: &mut Context<'_>) -> Result<Option<Stage>, Trouble> {
        let Digesting { source, hasher, next, permit, .. } = &mut *self;
        let (output, blocks) = (&*context.output, source.size().div_ceil(BLOCK_SIZE));
        if let Hasher::Blake3(root) = hasher {
            // The only block of a file may be known by another value than is needed here.
            let known = if blocks > 1 {
                output.shared.services.hashes.run(source.identity(), *next, blocks)
            } else {
                Vec::new()
            };
            known.iter().for_each(|block| root.push(block));
            *next += known.len() as u64;
        }
        if *next < blocks {
            if permit.is_none() {
                *permit = output.shared.services.hashing.take(output.peer());
            }
            if permit.is_none() {
                return Err(busy("hashes as many files", context.path).into());
            }
            if next.is_multiple_of(READ_AHEAD_BLOCKS) {
                source.read_ahead(*next * BLOCK_SIZE, 2 * READ_AHEAD_BLOCKS * BLOCK_SIZE);
            }
            match hasher {
                Hasher::Blake3(root) => {
                    let digest = hash(source, *next)?;
                    remember(&output.shared, source, *next, &digest)?;
                    root.push(&digest);
                }
                Hasher::Sha256(hasher) => read_block(source, *next, |bytes| hasher.update(bytes))?,
                Hasher::Pieces { whole, piece, complete } => {
                    read_block(source, *next, |bytes| {
                        whole.update(bytes);
                        piece.update(bytes);
                    })?;
                    let end = (*next + 1) * BLOCK_SIZE;
                    if end >= source.size() || end.is_multiple_of(metalink::piece_len(source.size())) {
                        complete.push(hex::encode(std::mem::take(piece).finalize()));
                    }
                }
            }
            *next += 1;
            output.position((*next * BLOCK_SIZE).min(source.size()), source.size());
        }
        if *next < blocks {
            return Ok(Some(Stage::Digesting(self)));
        }
        let Digesting { request, source, hasher, .. } = *self;
        source.check()?;
        context.output.idle();
        let digest = match hasher {
            Hasher::Blake3(root) => root.known().map(|root| root.to_string()),
            Hasher::Sha256(hasher) => {
                let digest = hasher.finalize().into();
                context.output.shared.services.digests.put_sha256(source.identity(), digest);
                if request.target.form == Form::Auto {
                    return file::respond(&request, source, context);
                }
                Some(hex::encode(digest))
            }
            Hasher::Pieces { whole, complete, .. } => {
                let digest = whole.finalize().into();
                context.output.shared.services.digests.put_sha256(source.identity(), digest);
                respond_with_metalink(&request, &source, &hex::encode(digest), &complete, context);
                return Ok(None);
            }
        };
        let digest =
            digest.ok_or_else(|| Trouble::refused(Status::InternalError, "the digest is not known"))?;
        respond(&digest, &source, context);
        Ok(None)
    }
}

fn read_block(source: &FileSource, index: u64, mut take: impl FnMut(&[u8])) -> Result<(), StorageError> {
    let (mut offset, end) = (index * BLOCK_SIZE, ((index + 1) * BLOCK_SIZE).min(source.size()));
    let mut buffer = vec![0; READ_LEN];
    while offset < end {
        let length = usize::try_from(end - offset).map_or(READ_LEN, |left| left.min(READ_LEN));
        source.read_exact_at(&mut buffer[..length], offset)?;
        take(&buffer[..length]);
        offset += length as u64;
    }
    Ok(())
}

fn respond(digest: &str, source: &FileSource, context: &mut Context<'_>) {
    let name = &source.meta().name;
    // As it is on the disk, where it need not be UTF-8.
    let name = odd_name::to_bytes(name).unwrap_or(Cow::Borrowed(name.as_bytes()));
    let response = Response::new(Status::Ok);
    response.content(context.exchange, "text/plain; charset=utf-8", &line(digest, &name), context.output);
}

fn respond_with_metalink(
    request: &Request,
    source: &FileSource,
    digest: &str,
    pieces: &[String],
    context: &mut Context<'_>,
) {
    let terms = &context.output.shared.services.terms;
    let host = request.host.clone().unwrap_or_else(|| terms.local.to_string());
    let scheme = if context.is_secure { "https" } else { "http" };
    let name = &source.meta().name;
    let document = metalink::document(&metalink::Described {
        name,
        size: source.size(),
        digest,
        pieces,
        origin: &format!("{scheme}://{host}"),
        path: request.target.path.as_str(),
    });
    let response = Response::new(Status::Ok)
        .field("Content-Disposition", disposition(&format!("{name}.meta4"), true))
        .optional("Vary", context.vary());
    let media_type = "application/metalink4+xml";
    response.content(context.exchange, media_type, document.as_bytes(), context.output);
}

/// A line of a file of checksums. A name with a backslash or a line end is escaped, which a backslash at the beginning says.
fn line(digest: &str, name: &[u8]) -> Vec<u8> {
    let escaped: Vec<u8> = name
        .iter()
        .flat_map(|byte| match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            byte => vec![*byte],
        })
        .collect();
    let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
    [mark, digest.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn lines_are_as_the_checksum_programs_print_them() {
        assert_eq!(line("ab", b"a b"), b"ab  a b\n");
        assert_eq!(line("ab", b"a\\b\nc"), b"\\ab  a\\\\b\\nc\n");
        assert_eq!(line("ab", b"\xff"), b"ab  \xff\n");
    }
}
