import { treePages } from '../../.vitepress/tree.mts'

export default { paths: () => treePages('zh') }
