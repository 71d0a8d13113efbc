// Figures open in a dialog, where they can be read on a small screen; what is too wide scrolls by
// keyboard; the arrows of the table of contents have names.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.createElement("dialog");
  dialog.className = "zoomed";
  dialog.setAttribute("aria-label", "Figure, enlarged");
  dialog.innerHTML = '<button type="button" aria-label="Close">×</button><div tabindex="0"></div>';
  dialog.addEventListener("click", (event) => {
    if (event.target.tagName !== "IMG") dialog.close();
  });
  document.body.append(dialog);

  for (const image of document.querySelectorAll(".bd-article .cell_output img, .bd-article figure img")) {
    const zoom = () => {
      dialog.lastChild.replaceChildren(image.cloneNode());
      dialog.showModal(); // Escape closes it, and the focus returns
    };
    const button = document.createElement("button");
    button.type = "button";
    button.className = "zoom";
    button.title = "Enlarge";
    button.setAttribute("aria-label", "Enlarge the figure");
    button.textContent = "⤢";
    button.addEventListener("click", zoom);
    image.addEventListener("click", zoom);
    image.after(button);
  }

  for (const summary of document.querySelectorAll("nav .has-children > details > summary"))
    summary.setAttribute("aria-label", "Show or hide the pages below");

  const wide = ".text_html, .pst-scrollable-table-container, .dt-scroll-body, .cell_output pre, div.math";
  const reachable = () => {
    for (const scroller of document.querySelectorAll(wide)) {
      if (scroller.scrollWidth > scroller.clientWidth) scroller.tabIndex = 0;
      else scroller.removeAttribute("tabindex");
    }
  };
  reachable();
  new ResizeObserver(reachable).observe(document.body);
});
