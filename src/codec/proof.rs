//! The part of a repository's tree that a message brings, and what it proves.
//!
//! A commit says what it changed. It brings the nodes on the way to every changed key, so that two things can
//! be shown without the rest of the tree: each operation's result is in the tree that was signed, and undoing
//! all of them leads back to the tree before. The known nodes are laid out as one list of keys and unopened
//! subtrees in order; undoing edits the list, and the tree is built from it again, which has only one shape.
//! Spec: atproto sync, "inductive firehose"; PROTOCOL §4.3 and §4.4.

use ipld_core::cid::Cid as AnyCid;

use super::car::Car;
use super::node::{Entry, Node, layer_of};
use super::reject::Reject;
use crate::syntax::Cid;

/// Layers of a tree. A key on layer 32 takes 2^64 hashes to find; real trees have about a dozen.
const LAYERS_MAX: u32 = 32;

/// A part of the tree, in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Key {
        key: Vec<u8>,
        value: AnyCid,
        layer: u32,
    },
    /// A subtree whose nodes did not come: its keys are unknown, but for their place among the others.
    Unopened {
        root: Cid,
        layer: u32,
    },
}

/// What an operation did to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key is new.
    Created(AnyCid),
    /// It had another value.
    Updated {
        /// The value before.
        from: AnyCid,
        /// The value now.
        to: AnyCid,
    },
    /// It had this value and is gone.
    Deleted(AnyCid),
}

/// The known part of a tree.
#[derive(Clone, Debug)]
pub struct PartialTree(Vec<Item>);

impl PartialTree {
    /// Lays out the tree under `root` as far as its nodes are in `car`.
    ///
    /// # Errors
    /// The root node is missing, a node does not hash to its CID, or the tree does not have the one shape
    /// that its keys have.
    pub fn open(car: &Car<'_>, root: &Cid) -> Result<Self, Reject> {
        let mut items = Vec::new();
        let node = Node::decode(car.block(root)?)?;
        let layer = match node.entries.first() {
            Some(first) => layer_of(&first.key),
            // Only the tree without any key has a root without keys.
            None if node.left.is_none() => return Ok(Self(items)),
            None => return Err(Reject::MstMalformed),
        };
        if layer >= LAYERS_MAX {
            return Err(Reject::MstMalformed);
        }
        lay_out(car, node, layer, &mut items)?;
        let keys = || {
            items.iter().filter_map(|item| match item {
                Item::Key { key, .. } => Some(key),
                Item::Unopened { .. } => None,
            })
        };
        if keys().zip(keys().skip(1)).all(|(key, next)| key < next) {
            Ok(Self(items))
        } else {
            Err(Reject::MstMalformed)
        }
    }

    /// The value of a key; `None` when it is not among the known ones.
    pub fn value(&self, path: &str) -> Option<&AnyCid> {
        self.0.iter().find_map(|item| match item {
            Item::Key { key, value, .. } if key == path.as_bytes() => Some(value),
            _ => None,
        })
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// The tree does not hold the change's result, or it does not show whether it does.
    pub fn undo(&mut self, path: &str, change: &Change) -> Result<(), Reject> {
        let place = self.place(path.as_bytes());
        match (change, place) {
            (Change::Created(now), Ok(at)) if self.value(path) == Some(now) => {
                self.0.remove(at);
                Ok(())
            }
            (Change::Updated { from, to }, Ok(at)) if self.value(path) == Some(to) => {
                if let Some(Item::Key { value, .. }) = self.0.get_mut(at) {
                    *value = *from;
                }
                Ok(())
            }
            (Change::Deleted(was), Err(at)) => {
                let around = at.checked_sub(1).into_iter().chain([at]);
                let is_hidden = |at| matches!(self.0.get(at), Some(Item::Unopened { .. }));
                if around.into_iter().any(is_hidden) {
                    // The key may well be in there.
                    return Err(Reject::ProofIncomplete);
                }
                let key = path.as_bytes().to_vec();
                let layer = layer_of(&key);
                self.0.insert(at, Item::Key { key, value: *was, layer });
                Ok(())
            }
            _ => Err(Reject::ProofMismatch),
        }
    }

    /// Where a key is, or where it would be: before the first key that follows it, and after any subtree there.
    fn place(&self, path: &[u8]) -> Result<usize, usize> {
        let mut before = 0;
        for (at, item) in self.0.iter().enumerate() {
            match item {
                Item::Key { key, .. } if key == path => return Ok(at),
                Item::Key { key, .. } if key.as_slice() > path => return Err(at),
                _ => before = at + 1,
            }
        }
        Err(before)
    }

    /// The root of the tree that these keys and subtrees make.
    ///
    /// # Errors
    /// A subtree that did not come would have to be opened to tell.
    pub fn root(&self) -> Result<Cid, Reject> {
        let layers = self.0.iter().filter_map(|item| match item {
            Item::Key { layer, .. } => Some(*layer),
            Item::Unopened { .. } => None,
        });
        match (layers.max(), self.0.as_slice()) {
            (Some(top), items) if top < LAYERS_MAX => build(items, top),
            (None, []) => Ok(cid_of(&Node::default())),
            // Everything above it is gone, so it is what the tree is now.
            (None, [Item::Unopened { root, .. }]) => Ok(*root),
            _ => Err(Reject::ProofIncomplete),
        }
    }
}

fn cid_of(node: &Node) -> Cid {
    Cid::compute_dag_cbor(&node.encode())
}

/// Appends a node's keys and subtrees. Recurses once a layer.
fn lay_out(car: &Car<'_>, node: Node, layer: u32, items: &mut Vec<Item>) -> Result<(), Reject> {
    if let Some(left) = node.left {
        lay_out_subtree(car, left, layer, items)?;
    }
    for Entry { key, value, right } in node.entries {
        if layer_of(&key) != layer {
            return Err(Reject::MstMalformed);
        }
        items.push(Item::Key { key, value, layer });
        if let Some(right) = right {
            lay_out_subtree(car, right, layer, items)?;
        }
    }
    Ok(())
}

fn lay_out_subtree(car: &Car<'_>, root: Cid, above: u32, items: &mut Vec<Item>) -> Result<(), Reject> {
    let layer = above.checked_sub(1).ok_or(Reject::MstMalformed)?;
    let block = match car.block(&root) {
        Ok(block) => block,
        Err(Reject::BlockMissing) => {
            items.push(Item::Unopened { root, layer });
            return Ok(());
        }
        Err(reject) => return Err(reject),
    };
    let node = Node::decode(block)?;
    if node.entries.is_empty() && node.left.is_none() {
        return Err(Reject::MstMalformed);
    }
    lay_out(car, node, layer, items)
}

/// The CID of the node on `layer` that holds these items. Recurses once a layer.
fn build(items: &[Item], layer: u32) -> Result<Cid, Reject> {
    let mut node = Node::default();
    let is_here = |item: &Item| matches!(item, Item::Key { layer: of, .. } if *of == layer);
    let mut rest = items;
    loop {
        let end = rest.iter().position(is_here).unwrap_or(rest.len());
        let (below, after) = rest.split_at(end);
        let subtree = subtree(below, layer)?;
        match node.entries.last_mut() {
            Some(entry) => entry.right = subtree,
            None => node.left = subtree,
        }
        let Some((Item::Key { key, value, .. }, after)) = after.split_first() else { break };
        node.entries.push(Entry { key: key.clone(), value: *value, right: None });
        rest = after;
    }
    Ok(cid_of(&node))
}

/// The subtree below `above` that holds these items, if there are any.
fn subtree(items: &[Item], above: u32) -> Result<Option<Cid>, Reject> {
    let below = above.checked_sub(1);
    match (items, below) {
        ([], _) => Ok(None),
        ([Item::Unopened { root, layer }], Some(below)) if *layer == below => Ok(Some(*root)),
        (items, Some(below)) => {
            // One that reaches this high would have to take the others in.
            let is_too_high = |item: &Item| matches!(item, Item::Unopened { layer, .. } if *layer >= below);
            if items.iter().any(is_too_high) {
                return Err(Reject::ProofIncomplete);
            }
            build(items, below).map(Some)
        }
        (_, None) => Err(Reject::ProofIncomplete),
    }
}
