// Every text node that can be seen: its first words, its contrast, and the one it needs (large words need less).
() => {
  const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const rgba = colour => {
    pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1)
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
  const light = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2])
  const styles = e => e ? [...styles(e.parentElement), getComputedStyle(e)] : []
  const ground = e => styles(e).reduce((under, s) => over(rgba(s.backgroundColor), under), rgba('Canvas'))
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const found = []
  while (words.nextNode()) {
    const e = words.currentNode.parentElement
    const text = words.currentNode.nodeValue.trim()
    const range = document.createRange()
    range.selectNode(words.currentNode)
    if (!text || e.closest('script, style, template, option, .vh, :disabled')) continue
    if (!e.checkVisibility() || range.getBoundingClientRect().width < 2) continue
    const svg = e.closest('svg')
    const style = getComputedStyle(e)
    const under = ground(svg || e)
    const colour = rgba(svg ? style.fill : style.color)
    colour[3] *= styles(e).reduce((all, s) => all * s.opacity, 1)
    const [low, high] = [light(over(colour, under)), light(under)].sort((a, b) => a - b)
    const size = parseFloat(style.fontSize)
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700)
    found.push([text.slice(0, 40), (high + .05) / (low + .05), large ? 3 : 4.5])
  }
  return found
}
