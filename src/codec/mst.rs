//! The tree of a repository, walked from its root: every key with the CID of its record, in order.
//!
//! The shape of the tree is a function of its keys and values, so a tree of any other shape is refused: keys
//! out of order, a key in a layer that its hash does not give, a prefix that could be longer, an empty node
//! that nothing needs. What a node is, [`super::node`] knows. The walk keeps its own stack, which is bounded by the bytes
//! of the nodes on the way to where it is; whoever calls it has the nodes, and hashes them before they are used. Spec: atproto repository, "MST structure"; PROTOCOL §4.3.

use ipld_core::cid::Cid as AnyCid;

use super::limits::MST_WAY_BYTES_MAX;
use super::node::Node;
use super::reject::Reject;
use crate::syntax::Cid;

/// What is still to be visited.
enum Ahead {
    /// A node in this layer; the root finds out its own.
    Node(Cid, Option<u32>),
    /// A key and its record.
    Leaf(Vec<u8>, AnyCid),
    /// The end of a node that has so many bytes.
    End(usize),
}

/// Walks a tree. `node` gives the bytes of a node, and `leaf` is told every key with its record's CID.
pub fn walk<E: From<Reject>>(
    root: Cid,
    mut node: impl FnMut(&Cid) -> Result<Vec<u8>, E>,
    mut leaf: impl FnMut(&[u8], &AnyCid) -> Result<(), E>,
) -> Result<(), E> {
    let mut ahead = vec![Ahead::Node(root, None)];
    let mut last: Option<Vec<u8>> = None;
    let mut way_bytes = 0;
    while let Some(next) = ahead.pop() {
        match next {
            Ahead::Node(cid, layer) => {
                // Layers go down by one, so that no tree is deeper than there are layers.
                if !cid.is_dag_cbor() {
                    return Err(Reject::MstMalformed.into());
                }
                let block = node(&cid)?;
                way_bytes += block.len();
                if way_bytes > MST_WAY_BYTES_MAX {
                    return Err(Reject::ExportTooLarge.into());
                }
                let node = Node::decode(&block)?;
                let layer = match layer {
                    Some(layer) => layer,
                    None => match node.root_layer()? {
                        Some(layer) => layer,
                        None => return Ok(()),
                    },
                };
                node.check_layer(layer)?;
                ahead.push(Ahead::End(block.len()));
                visit(&mut ahead, node, layer.checked_sub(1));
            }
            Ahead::Leaf(key, cid) => {
                if last.as_ref().is_some_and(|last| *last >= key) {
                    return Err(Reject::MstMalformed.into());
                }
                leaf(&key, &cid)?;
                last = Some(key);
            }
            Ahead::End(bytes) => way_bytes -= bytes,
        }
    }
    Ok(())
}

/// Puts what a node holds before everything else that is ahead. A node with links has a layer `below`.
fn visit(ahead: &mut Vec<Ahead>, node: Node, below: Option<u32>) {
    for entry in node.entries.into_iter().rev() {
        ahead.extend(entry.right.map(|right| Ahead::Node(right, below)));
        ahead.push(Ahead::Leaf(entry.key, entry.value));
    }
    ahead.extend(node.left.map(|left| Ahead::Node(left, below)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ipld_core::cid::Cid as AnyCid;
    use ipld_core::ipld::Ipld;
    use proptest::prelude::*;

    use super::walk;
    use crate::codec::Reject;
    use crate::codec::node::layer_of;
    use crate::syntax::Cid;

    /// A tree under construction: its nodes by CID.
    #[derive(Clone, Default)]
    struct Tree {
        nodes: BTreeMap<Cid, Vec<u8>>,
    }

    fn value(key: &[u8]) -> AnyCid {
        AnyCid::from(Cid::compute_dag_cbor(key))
    }

    fn link(cid: Option<Cid>) -> Ipld {
        cid.map_or(Ipld::Null, |cid| Ipld::Link(AnyCid::from(cid)))
    }

    impl Tree {
        fn put(&mut self, left: Option<Cid>, entries: Vec<Ipld>) -> Cid {
            let node =
                Ipld::Map([("l".to_owned(), link(left)), ("e".to_owned(), Ipld::List(entries))].into());
            let bytes = serde_ipld_dagcbor::to_vec(&node).unwrap();
            let cid = Cid::compute_dag_cbor(&bytes);
            self.nodes.insert(cid, bytes);
            cid
        }

        /// The tree of sorted keys in this layer and below; `None` for no keys.
        fn build(&mut self, keys: &[Vec<u8>], layer: u32) -> Option<Cid> {
            if keys.is_empty() {
                return None;
            }
            let mut parts = keys.split(|key| layer_of(key) == layer);
            let here: Vec<&Vec<u8>> = keys.iter().filter(|key| layer_of(key) == layer).collect();
            let below = |tree: &mut Self, keys: &[Vec<u8>]| tree.build(keys, layer.checked_sub(1)?);
            let left = below(self, parts.next().unwrap());
            let mut before: &[u8] = &[];
            let mut entries = Vec::new();
            for (key, part) in here.into_iter().zip(parts) {
                let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
                entries.push(entry(shared, &key[shared..], key, below(self, part)));
                before = key;
            }
            Some(self.put(left, entries))
        }

        fn keys(&self, root: Cid) -> Result<Vec<Vec<u8>>, Reject> {
            let mut keys = Vec::new();
            let node = |cid: &Cid| self.nodes.get(cid).cloned().ok_or(Reject::BlockMissing);
            walk(root, node, |key, cid| {
                assert_eq!(*cid, value(key));
                keys.push(key.to_vec());
                Ok(())
            })?;
            Ok(keys)
        }
    }

    fn entry(shared: usize, rest: &[u8], key: &[u8], right: Option<Cid>) -> Ipld {
        Ipld::Map(
            [
                ("p".to_owned(), Ipld::Integer(shared as i128)),
                ("k".to_owned(), Ipld::Bytes(rest.to_vec())),
                ("v".to_owned(), Ipld::Link(value(key))),
                ("t".to_owned(), link(right)),
            ]
            .into(),
        )
    }

    fn whole(keys: &[Vec<u8>]) -> (Tree, Cid) {
        let mut tree = Tree::default();
        let top = keys.iter().map(|key| layer_of(key)).max().unwrap_or(0);
        let root = tree.build(keys, top);
        let root = root.unwrap_or_else(|| tree.put(None, Vec::new()));
        (tree, root)
    }

    fn keys(count: usize) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = (0..count).map(|n| format!("at.atjam.signup/3k{n:05}").into_bytes()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_empty_tree_is_the_one_that_everybody_has() {
        let (tree, root) = whole(&[]);
        assert_eq!(root.to_string(), "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm");
        assert_eq!(tree.keys(root), Ok(Vec::new()));
    }

    #[test]
    fn trees_of_every_size_give_their_keys_in_order() {
        for count in (0..50).chain([100, 1000, 5000]) {
            let keys = keys(count);
            let (tree, root) = whole(&keys);
            assert_eq!(tree.keys(root).unwrap(), keys, "{count}");
        }
    }

    #[test]
    fn a_tree_without_one_of_its_nodes_is_incomplete() {
        let (tree, root) = whole(&keys(300));
        assert!(tree.nodes.len() > 50);
        for cid in tree.nodes.keys() {
            let mut without = tree.clone();
            without.nodes.remove(cid);
            assert_eq!(without.keys(root), Err(Reject::BlockMissing));
        }
    }

    #[test]
    fn other_shapes_of_the_same_keys_are_refused() {
        let pick = |layer: u32| keys(2000).into_iter().filter(move |key| layer_of(key) == layer);
        let low: Vec<_> = pick(0).take(3).collect();
        let high = pick(1).find(|key| *key > low[2]).unwrap();
        let plain = |key: &[u8]| entry(0, key, key, None);
        let refused = |name: &str, build: &dyn Fn(&mut Tree) -> Cid| {
            let mut tree = Tree::default();
            let root = build(&mut tree);
            assert_eq!(tree.keys(root), Err(Reject::MstMalformed), "{name}");
        };
        let shared = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let after = |a: &[u8], b: &[u8]| entry(shared(a, b), &b[shared(a, b)..], b, None);
        refused("not in order", &|tree| tree.put(None, vec![plain(&low[1]), after(&low[1], &low[0])]));
        refused("twice the same", &|tree| {
            tree.put(None, vec![plain(&low[0]), entry(low[0].len(), b"", &low[0], None)])
        });
        refused("not in order across nodes", &|tree| {
            let right = tree.put(None, vec![plain(&low[0])]);
            tree.put(None, vec![entry(0, &high, &high, Some(right))])
        });
        refused("a prefix that could be longer", &|tree| {
            let cut = shared(&low[0], &low[1]) - 1;
            tree.put(None, vec![plain(&low[0]), entry(cut, &low[1][cut..], &low[1], None)])
        });
        refused("a prefix that is longer than the key before", &|tree| {
            tree.put(None, vec![plain(&low[0]), entry(low[0].len() + 1, b"x", &low[0], None)])
        });
        refused("a first key with a prefix", &|tree| {
            tree.put(None, vec![entry(3, &low[0][3..], &low[0], None)])
        });
        refused("a key in a layer of another", &|tree| {
            tree.put(None, vec![plain(&low[2]), after(&low[2], &high)])
        });
        refused("an empty key", &|tree| tree.put(None, vec![plain(b"")]));
        refused("a root that only points", &|tree| {
            let below = tree.put(None, vec![plain(&low[0])]);
            tree.put(Some(below), Vec::new())
        });
        refused("an empty leaf", &|tree| {
            let empty = tree.put(None, Vec::new());
            tree.put(Some(empty), vec![plain(&high)])
        });
        refused("something below the bottom", &|tree| {
            let below = tree.put(None, vec![plain(&low[0])]);
            tree.put(Some(below), vec![plain(&low[1])])
        });
        let two_up = keys(20_000).into_iter().find(|key| layer_of(key) == 2).unwrap();
        refused("a layer left out", &|tree| {
            let below = tree.put(None, vec![plain(&low[0])]);
            tree.put(Some(below), vec![plain(&two_up)])
        });
    }

    #[test]
    fn a_key_has_a_length_that_a_node_cannot_multiply() {
        let long = |length: usize| {
            let keys = (0..100).map(|n| format!("{n:04}/{}", "x".repeat(length - 5)).into_bytes());
            keys.filter(|key| layer_of(key) == 0).take(1).collect::<Vec<_>>()
        };
        for (length, expected) in [(1024, Ok(long(1024))), (1025, Err(Reject::MstMalformed))] {
            let (tree, root) = whole(&long(length));
            assert_eq!(tree.keys(root), expected, "{length}");
        }
    }

    #[test]
    fn bytes_that_are_no_node_are_refused() {
        let good = |extra: &[(&str, Ipld)]| {
            let mut node: BTreeMap<String, Ipld> =
                [("l".to_owned(), Ipld::Null), ("e".to_owned(), Ipld::List(Vec::new()))].into();
            node.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            serde_ipld_dagcbor::to_vec(&Ipld::Map(node)).unwrap()
        };
        let without = |name: &str| {
            let mut node: BTreeMap<String, Ipld> =
                [("l".to_owned(), Ipld::Null), ("e".to_owned(), Ipld::List(Vec::new()))].into();
            node.remove(name);
            serde_ipld_dagcbor::to_vec(&Ipld::Map(node)).unwrap()
        };
        let bad = [
            Vec::new(),
            b"\xff".to_vec(),
            vec![0x81; 100_000],
            without("l"),
            without("e"),
            good(&[("x", Ipld::Null)]),
            good(&[("l", Ipld::Bool(false))]),
            good(&[("e", Ipld::Null)]),
            good(&[("e", Ipld::List(vec![Ipld::Null]))]),
            [good(&[]), vec![0xf6]].concat(),
        ];
        for bytes in bad {
            let cid = Cid::compute_dag_cbor(&bytes);
            let tree = Tree { nodes: [(cid, bytes.clone())].into() };
            assert_eq!(tree.keys(cid), Err(Reject::MstMalformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_set_of_keys_is_found_again(keys in prop::collection::btree_set("[a-z]{1,3}/[a-z0-9]{1,4}", 0..60)) {
            let keys: Vec<Vec<u8>> = keys.into_iter().map(String::into_bytes).collect();
            let (tree, root) = whole(&keys);
            prop_assert_eq!(tree.keys(root), Ok(keys));
        }

        #[test]
        fn any_damage_to_a_node_is_refused_and_never_panics(at in any::<usize>(), with in any::<u8>(), which in any::<usize>()) {
            let (mut tree, root) = whole(&keys(40));
            let count = tree.nodes.len();
            let node = tree.nodes.values_mut().nth(which % count).unwrap();
            let at = at % node.len();
            node[at] = with;
            // The value of a record may be any CID, and its key may become another that fits.
            let mut seen = 0;
            let walked = walk(root, |cid| tree.nodes.get(cid).cloned().ok_or(Reject::BlockMissing), |_, _| {
                seen += 1;
                Ok(())
            });
            prop_assert!(walked.is_err() || seen == 40);
        }
    }
}
