"use strict";
document.addEventListener("alpine:init", () => {
  Alpine.data("table", () => ({
    ...JSON.parse(document.getElementById("table").textContent),
    by: "",
    down: true,

    /** The first press puts the best first (the lowest where down is false), the second turns that round. */
    sort(key, down) {
      if (this.by !== key) Object.assign(this, {by: key, down});
      else if (this.down === down) this.down = !down;
      else this.by = "";
    },
    arrow(key) {
      return this.by !== key ? "↕" : this.down ? "↓" : "↑";
    },
    /** Ours where it reproduces, else published; rows without either come last. The third press restores the paper's order. */
    value(row) {
      return this.by === "name" ? row.name : row.cells[this.by].sort;
    },
    sorted() {
      if (!this.by) return this.rows;
      const sign = this.down ? -1 : 1;
      return [...this.rows].sort((a, b) => {
        const [x, y] = [this.value(a), this.value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      });
    },
  }));
});
