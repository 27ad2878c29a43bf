// Serves jobs of type "hello": the file's name is the type.
export default ({ name }: { name: string }) => `Hello, ${name}!`
