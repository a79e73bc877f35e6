//! The two ways to the writer, as one: orders, which are looked at first, and deliveries.

use std::time::Duration;

use crossbeam_channel::{never, select_biased};

use crate::delivery::{Delivery, Receiver};
use crate::orders::{Order, Orders};

/// Something for the writer.
#[expect(clippy::large_enum_variant, reason = "one at a time, which goes on by value")]
pub(super) enum Item {
    Order(Order),
    Delivery(Delivery),
}

/// Both channels, and which of them can still bring something.
pub(super) struct Inbox<'a> {
    deliveries: &'a Receiver,
    orders: &'a Orders,
    delivers: bool,
    asks: bool,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(deliveries: &'a Receiver, orders: &'a Orders) -> Self {
        Self { deliveries, orders, delivers: true, asks: true }
    }

    /// Whether more can come.
    pub(super) fn is_open(&self) -> bool {
        self.delivers || self.asks
    }

    /// Whether more can come from sources.
    pub(super) fn delivers(&self) -> bool {
        self.delivers
    }

    /// Whether an order waits.
    pub(super) fn has_order(&self) -> bool {
        self.asks && !self.orders.channel().is_empty()
    }

    /// An order, if one waits.
    pub(super) fn order(&mut self) -> Option<Order> {
        let order = self.asks.then(|| self.orders.channel().try_recv().ok()).flatten()?;
        self.asks = order.is_some();
        order
    }

    /// How many deliveries wait.
    pub(super) fn count_deliveries(&self) -> usize {
        if self.delivers { self.deliveries.channel().len() } else { 0 }
    }

    /// A delivery, if one waits.
    pub(super) fn delivery(&mut self) -> Option<Delivery> {
        let taken = self.delivers.then(|| self.deliveries.channel().try_recv().ok()).flatten()?;
        Some(self.deliveries.taken(taken))
    }

    /// What comes within `patience`. A channel that has ended brings nothing, at once, and then is not asked again.
    pub(super) fn next(&mut self, patience: Duration) -> Option<Item> {
        if !self.is_open() {
            return None;
        }
        let (no_orders, no_deliveries) = (never(), never());
        let orders = if self.asks { self.orders.channel() } else { &no_orders };
        let deliveries = if self.delivers { self.deliveries.channel() } else { &no_deliveries };
        select_biased! {
            recv(orders) -> order => {
                let order = order.ok().flatten();
                self.asks = order.is_some();
                order.map(Item::Order)
            }
            recv(deliveries) -> delivery => {
                self.delivers = delivery.is_ok();
                delivery.ok().map(|delivery| Item::Delivery(self.deliveries.taken(delivery)))
            }
            default(patience) => None,
        }
    }
}
