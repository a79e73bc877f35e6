//! The part of a repository's tree that a message brings, and what it proves.
//!
//! A commit says what it changed. It brings the nodes on the way to every changed key, so that two things can
//! be shown without the rest of the tree: each operation's result is in the tree that was signed, and undoing
//! all of them leads back to the tree before. The nodes that matter are laid out as one list of keys and unopened
//! subtrees in order; undoing goes once along the list, and the tree is built from it again, which has only one
//! shape. Spec: atproto sync, "inductive firehose"; PROTOCOL §4.3 and §4.4.

use ipld_core::cid::Cid as AnyCid;

use super::car::Car;
use super::node::{self, Entry, Node, layer_of};
use super::reject::Reject;
use crate::syntax::Cid;

/// Layers of a tree. A key on layer 32 takes 2^64 hashes to find; real trees have about a dozen.
const LAYERS_MAX: u32 = 32;

/// The layer of a whole tree that was not opened.
const WHOLE: u32 = LAYERS_MAX;

/// A part of the tree, in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Key {
        key: Vec<u8>,
        value: AnyCid,
        layer: u32,
    },
    /// A subtree that was not looked into: its keys are unknown, but for their place among the others.
    Unopened {
        root: Cid,
        layer: u32,
    },
}

/// What an operation did to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key.
    pub path: &'a str,
    /// Its value before; `None` where there was none.
    pub before: Option<AnyCid>,
    /// Its value now; `None` where there is none.
    pub after: Option<AnyCid>,
}

/// What all the operations of a commit did, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<'a>(Vec<Change<'a>>);

impl<'a> FromIterator<Change<'a>> for Changes<'a> {
    /// Puts them in order. No two have the same path.
    fn from_iter<I: IntoIterator<Item = Change<'a>>>(changes: I) -> Self {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_unstable_by_key(|change| change.path);
        Self(changes)
    }
}

impl Changes<'_> {
    /// Whether a key of theirs may be between these two keys, or is one of them.
    fn touch(&self, start: Option<&[u8]>, end: Option<&[u8]>) -> bool {
        let first =
            self.0.partition_point(|change| start.is_some_and(|start| change.path.as_bytes() < start));
        let next = self.0.get(first);
        next.is_some_and(|change| end.is_none_or(|end| change.path.as_bytes() <= end))
    }
}

/// The known part of a tree.
#[derive(Clone, Debug)]
pub struct PartialTree(Vec<Item>);

impl PartialTree {
    /// Lays out the tree under `root` around the keys of `changes`, as far as its nodes are in `car`. What lies
    /// elsewhere is neither needed nor looked at.
    ///
    /// # Errors
    /// The root node is missing, a node does not hash to its CID, or the tree does not have the one shape
    /// that its keys have.
    pub fn open(car: &Car<'_>, root: &Cid, changes: &Changes<'_>) -> Result<Self, Reject> {
        if !root.is_dag_cbor() {
            return Err(Reject::MstMalformed);
        }
        if changes.0.is_empty() {
            return Ok(Self(vec![Item::Unopened { root: *root, layer: WHOLE }]));
        }
        let node = Node::decode(car.block(root)?)?;
        let Some(layer) = node.root_layer()? else { return Ok(Self(Vec::new())) };
        if layer >= LAYERS_MAX {
            return Err(Reject::MstMalformed);
        }
        let mut opening = Opening { car, changes, nodes_left: car.len(), items: Vec::new(), last: None };
        opening.lay_out(node, layer, None)?;
        Ok(Self(opening.items))
    }

    /// Takes the changes back, all at once. That is the same as one by one with the deletions first: a deleted
    /// key must be shown to be absent beside what is there now.
    ///
    /// # Errors
    /// The tree does not hold a change's result, or it does not show whether it does.
    pub fn undo(self, changes: &Changes<'_>) -> Result<Self, Reject> {
        let mut before = Vec::with_capacity(self.0.len() + changes.0.len());
        let mut changes = changes.0.iter().peekable();
        let mut is_hidden = false;
        for item in self.0 {
            let Item::Key { key, value, layer } = item else {
                // A key that comes next and is not found may well be in there.
                is_hidden = true;
                before.push(item);
                continue;
            };
            while let Some(change) = changes.next_if(|change| change.path.as_bytes() < key.as_slice()) {
                before.extend(undo_absent(change, is_hidden)?);
            }
            is_hidden = false;
            let value = match changes.next_if(|change| change.path.as_bytes() == key) {
                None => Some(value),
                Some(change) if change.after == Some(value) => change.before,
                Some(_) => return Err(Reject::ProofMismatch),
            };
            before.extend(value.map(|value| Item::Key { key, value, layer }));
        }
        for change in changes {
            before.extend(undo_absent(change, is_hidden)?);
        }
        Ok(Self(before))
    }

    /// Checks that these keys and subtrees make the tree under `root`.
    ///
    /// # Errors
    /// They make another, or a subtree that was not opened would have to be to tell.
    pub fn leads_to(&self, root: &Cid) -> Result<(), Reject> {
        let layers = self.0.iter().filter_map(|item| match item {
            Item::Key { layer, .. } => Some(*layer),
            Item::Unopened { .. } => None,
        });
        let (found, otherwise) = match (layers.max(), self.0.as_slice()) {
            (Some(top), items) if top < LAYERS_MAX => (build(items, top)?, Reject::ProofMismatch),
            (None, []) => (Node::default().cid(), Reject::ProofMismatch),
            (None, [Item::Unopened { root, layer: WHOLE }]) => (*root, Reject::ProofMismatch),
            // Everything above it is gone, so it is what the tree was; or what it points at was, if it only points.
            (None, [Item::Unopened { root, .. }]) => (*root, Reject::ProofIncomplete),
            _ => return Err(Reject::ProofIncomplete),
        };
        if found == *root { Ok(()) } else { Err(otherwise) }
    }
}

/// What a key was that is not among the known ones now.
fn undo_absent(change: &Change<'_>, is_hidden: bool) -> Result<Option<Item>, Reject> {
    if is_hidden {
        return Err(Reject::ProofIncomplete);
    }
    if change.after.is_some() {
        return Err(Reject::ProofMismatch);
    }
    let key = change.path.as_bytes().to_vec();
    let layer = layer_of(&key);
    Ok(change.before.map(|value| Item::Key { key, value, layer }))
}

/// A tree that is being laid out.
struct Opening<'a, 'car> {
    car: &'a Car<'car>,
    changes: &'a Changes<'a>,
    /// How many nodes it may still have. Each node of a tree is there once, so that there are no more of them than
    /// blocks; without this a few nodes that link to each other many times would be many.
    nodes_left: usize,
    items: Vec<Item>,
    /// Where the last key is among the items.
    last: Option<usize>,
}

impl Opening<'_, '_> {
    /// Appends the keys and subtrees of a node before the key `end`. Recurses once a layer.
    fn lay_out(&mut self, node: Node, layer: u32, end: Option<&[u8]>) -> Result<(), Reject> {
        node.check_layer(layer)?;
        let mut link = node.left;
        for Entry { key, value, right } in node.entries {
            self.lay_out_subtree(link, layer, Some(&key))?;
            // At once, since a subtree that comes again would be laid out again and again.
            if self.last_key().is_some_and(|last| last >= key.as_slice()) {
                return Err(Reject::MstMalformed);
            }
            self.last = Some(self.items.len());
            self.items.push(Item::Key { key, value, layer });
            link = right;
        }
        self.lay_out_subtree(link, layer, end)
    }

    fn lay_out_subtree(&mut self, link: Option<Cid>, above: u32, end: Option<&[u8]>) -> Result<(), Reject> {
        let Some(root) = link else { return Ok(()) };
        let layer = above.checked_sub(1).ok_or(Reject::MstMalformed)?;
        // Beside a changed key too: what is beside a key that goes will be one.
        let is_needed = self.changes.touch(self.last_key(), end);
        match if is_needed { self.car.block(&root) } else { Err(Reject::BlockMissing) } {
            Ok(block) => {
                self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Reject::MstMalformed)?;
                self.lay_out(Node::decode(block)?, layer, end)
            }
            Err(Reject::BlockMissing) => {
                self.items.push(Item::Unopened { root, layer });
                Ok(())
            }
            Err(reject) => Err(reject),
        }
    }

    fn last_key(&self) -> Option<&[u8]> {
        match self.items.get(self.last?) {
            Some(Item::Key { key, .. }) => Some(key),
            _ => None,
        }
    }
}

/// The CID of the node on `layer` that holds these items. Recurses once a layer.
fn build(items: &[Item], layer: u32) -> Result<Cid, Reject> {
    let mut left = None;
    let mut entries: Vec<(&[u8], &AnyCid, Option<Cid>)> = Vec::new();
    let is_here = |item: &Item| matches!(item, Item::Key { layer: of, .. } if *of == layer);
    let mut rest = items;
    loop {
        let end = rest.iter().position(is_here).unwrap_or(rest.len());
        let (below, after) = rest.split_at(end);
        let subtree = subtree(below, layer)?;
        match entries.last_mut() {
            Some((_, _, right)) => *right = subtree,
            None => left = subtree,
        }
        let Some((Item::Key { key, value, .. }, after)) = after.split_first() else { break };
        entries.push((key, value, None));
        rest = after;
    }
    Ok(Cid::compute_dag_cbor(&node::encode(left, entries.into_iter())))
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
